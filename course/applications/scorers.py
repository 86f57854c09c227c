"""The methods that are compared on unseen classes, with eight trials for each that has anything to choose."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product

from torch import Tensor

from course.applications.attributes import AttributeClassifier, indicators, vocabulary
from course.applications.class_maps import neighbour_maps, similarity, text_to_picture_ridge
from course.applications.described import ClassSplit, Described, Scorer, best_scorer, training_pictures
from course.crossmodal.frozen_pairs import (
    COMPONENTS,
    DROPOUTS,
    PENALTIES,
    RATES,
    RIDGES,
    TEMPERATURES,
    Map,
    Maps,
    cca_maps,
    contrastive_maps,
    ridge_maps,
)

START, ATTRIBUTES, NEIGHBOURS = "maps as they begin", "attributes (DAP)", "neighbours' texts (ConSE)"
RIDGE, BACK, ALIGNED, CONTRAST = "ridge, pictures to texts", "ridge, texts to pictures", "CCA", "contrastive heads"

LEAST, ATTRIBUTE_PENALTIES = (3, 6), (1e-3, 3e-3, 1e-2, 3e-2)
COUNTS, SHARPNESS = (1, 3, 10, 30), (0.05, 0.2)

MAPS: dict[str, tuple[Callable[..., Maps], tuple[Sequence, ...]]] = {
    NEIGHBOURS: (neighbour_maps, (COUNTS, SHARPNESS)),
    RIDGE: (ridge_maps, (PENALTIES,)),
    BACK: (text_to_picture_ridge, (PENALTIES,)),
    ALIGNED: (cca_maps, (COMPONENTS, RIDGES)),
    CONTRAST: (contrastive_maps, (DROPOUTS, TEMPERATURES, RATES)),
}


def scorers(method: str, of: Described, split: ClassSplit, *, seed: int = 0) -> list[Scorer]:
    """A scorer for each trial of a method, fitted to the training pictures of a split.

    Args:
        method: one of the names above.
        of, split: what training sees.
        seed: of what is drawn: the first weights and batches of contrastive heads.

    Raises:
        ValueError: if there is no such method.
    """
    x, labels = training_pictures(of, split)
    if method == ATTRIBUTES:
        return attribute_scorers(of, x, labels)
    if method == START:
        return [by_maps(of, contrastive_maps(x, of.texts[labels], 0.0, 0.1, 1e-3, steps=0, seed=seed))]
    if method not in MAPS:
        raise ValueError(f"there is no method {method!r}; choose of {', '.join([START, ATTRIBUTES, *MAPS])}")
    if method == ALIGNED:
        return aligned_scorers(of, x, labels)
    fit, grids = MAPS[method]
    options = {"seed": seed, "groups": labels} if method == CONTRAST else {}
    return [by_maps(of, fit(x, of.texts[labels], *setting, **options)) for setting in product(*grids)]


def chosen(method: str, of: Described, split: ClassSplit, *, seed: int = 0) -> Scorer:
    """The trial of a method that names most of the validation classes."""
    return best_scorer(scorers(method, of, split, seed=seed), of, split)


def by_maps(of: Described, maps: Maps) -> Scorer:
    """Scores are cosines in the space of two maps, which the scorer keeps as its keyword ``maps``."""
    return partial(_cosines, of=of, maps=maps)


def _cosines(x: Tensor, classes: Tensor, *, of: Described, maps: Maps) -> Tensor:
    return similarity(maps, x, of.texts[classes])


def aligned_scorers(of: Described, x: Tensor, labels: Tensor) -> list[Scorer]:
    """CCA for every ridge once; fewer components are the first of the many."""
    components, ridges = MAPS[ALIGNED][1]
    fitted = [cca_maps(x, of.texts[labels], max(components), ridge) for ridge in ridges]
    return [by_maps(of, tuple(_first(side, k) for side in maps)) for k in components for maps in fitted]


def _first(side: Map, count: int) -> Map:
    return lambda new: side(new)[..., :count]


def attribute_scorers(of: Described, x: Tensor, labels: Tensor) -> list[Scorer]:
    """Direct attribute prediction with words of the training classes that occur in enough of them."""
    found = []
    seen = sorted(set(labels.tolist()))
    for least in LEAST:
        attributes = vocabulary([of.words[number] for number in seen], least)
        has = indicators(of.words, attributes).to(x)
        for penalty in ATTRIBUTE_PENALTIES:
            model = AttributeClassifier(x, has[labels], penalty)
            found.append(partial(_by_attributes, model=model, has=has))
    return found


def _by_attributes(x: Tensor, classes: Tensor, *, model: AttributeClassifier, has: Tensor) -> Tensor:
    return model.scores(x, has[classes])
