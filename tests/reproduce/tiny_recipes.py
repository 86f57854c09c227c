"""Small stand-ins for the data sets, and settings to match: each recipe whole in a second or two.

``python tiny_recipes.py RECIPE FOLDER`` runs one recipe three times: in FOLDER/whole in peace; in FOLDER/killed, where
one life after the other is killed (SIGKILL) until one reaches the end; in FOLDER/two in two processes, which note the
names of the files that they write in ``written``. Printed is the number of lives.
"""

import os
import re
import signal
import sys
import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from accelerate import debug_launcher

sys.path.append(str(Path(__file__).parents[1]))  # where it is run as a script
import small_languages
import tiny_texts

from course import data
from course.applications import language_texts, scorers
from course.applications.emotion_clips import Clips
from course.crossmodal.frozen_pairs import METHODS
from course.crossmodal.seen_and_heard import glyphs_and_voices
from course.data import Emoji, LabelledSet, Pairs, Sounds, Texts
from course.meta_learning.maml import MAMLConfig
from course.reproduce import (
    crosslingual_recipes,
    digits_fusion,
    digits_three_views,
    emoji_contrastive,
    emoji_zeroshot,
    glyphs_cyclegan,
    glyphs_scaling,
    glyphs_transfer,
    glyphs_vit,
    glyphs_zeroshot,
    language_limits,
    recipe_class,
    runner,
    speech_emotion,
    wavenet_bits,
)
from course.reproduce.blobs_cyclegan import BlobsCycleGANConfig
from course.reproduce.crosslingual_recipes import CrosslingualConfig
from course.reproduce.digits_contrastive import DigitsContrastiveConfig
from course.reproduce.digits_cyclegan import DigitsCycleGANConfig
from course.reproduce.digits_fusion import FusionConfig
from course.reproduce.digits_three_views import DigitsThreeViewsConfig
from course.reproduce.emoji_contrastive import EmojiContrastiveConfig
from course.reproduce.emoji_vit import EmojiViTConfig
from course.reproduce.emoji_zeroshot import EmojiZeroShotConfig, NotoZeroShotConfig
from course.reproduce.fsdd_mfcc import FsddMfccConfig
from course.reproduce.glyphs_cyclegan import GlyphsCycleGANConfig
from course.reproduce.glyphs_erasing import GlyphsErasingConfig
from course.reproduce.glyphs_examples import GlyphsExamplesConfig
from course.reproduce.glyphs_prototypical import GlyphsPrototypicalConfig
from course.reproduce.glyphs_scaling import GlyphsScaling, GlyphsScalingConfig
from course.reproduce.glyphs_transfer import GlyphsTransfer, GlyphsTransferConfig
from course.reproduce.glyphs_transfer_rates import GlyphsTransferRates, GlyphsTransferRatesConfig
from course.reproduce.glyphs_vit import GlyphsViTConfig
from course.reproduce.glyphs_zeroshot import GlyphsZeroShotConfig
from course.reproduce.language_limits import MixedConfig
from course.reproduce.mnist_cca import MnistCCAConfig
from course.reproduce.mnist_halves_contrastive import MnistHalvesConfig
from course.reproduce.navigation_maml import NavigationConfig
from course.reproduce.omniglot_maml import OmniglotMAMLConfig
from course.reproduce.prose_bert import ProseBertConfig
from course.reproduce.wavenet_bits import WaveNetConfig
from course.reproduce.waves_in_context import WavesConfig
from course.reproduce.waves_scaling import WavesScaling
from course.reproduce.word2vec_bilingual import Word2VecBilingualConfig
from course.reproduce.word2vec_wordsim import Word2VecWordSimConfig

SIZE = 16  # pixels of a character
HEIGHT = 6  # pixels of a digit; enough, and quick
MAML = MAMLConfig(test_steps=1, outer_lr=3e-3, meta_batch=2, iterations=6, filters=4)
TINY = {"queries": 1, "test_queries": 2, "episodes": 20, "validate_every": 3, "validation_tasks": 5}
NAMING = {"naming_steps": 6, "naming_batch": 8, "fine_tuning_steps": 2, "fine_tuning_rates": (0.1, 0.3)}
OMNIGLOT = replace(OmniglotMAMLConfig.quick(), five_way=MAML, twenty_way=MAML, seeds=(0, 1), **TINY, **NAMING)
MNIST = replace(MnistCCAConfig.quick(), components=3, pairs=400, seeds=(0, 1), random_features=200, hidden=(16,))
SMALL = {"texts": 200, "vocabulary": 60, "length": 8, "width": 16, "steps": 6, "batch_size": 8, "test_rows": 10}
SHORT = {"deep_batch": 150, "deep_epochs": 15}
HALVES = replace(MnistHalvesConfig.quick(), components=3, pairs=300, seeds=(0, 1), hidden=(16,), **SHORT)
SPOKEN = {"hidden": 16, "steps": 3, "batch_size": 32, "dimension": 4, "draws": 3}
DIGITS = replace(DigitsContrastiveConfig.quick(), pairs=200, seeds=(0, 1), **SPOKEN)
NAMED = {
    "size": 16,
    "small": 16,
    "test": 8,
    "validation": 6,
    "steps": 3,
    "batch_size": 8,
    "filters": 2,
    "seeds": (0, 1),
}
EMOJI_CONTRASTIVE = replace(EmojiContrastiveConfig.quick(), **NAMED)
UNSEEN = {"size": 16, "test": 8, "validation": 6, "seeds": (0, 1)}
EMOJI_ZEROSHOT = replace(EmojiZeroShotConfig.quick(), **UNSEEN)
GLYPHS_ZEROSHOT = replace(GlyphsZeroShotConfig.quick(), **UNSEEN)
CROSSLINGUAL = CrosslingualConfig(untrained=5, metric_steps=3, head_steps=3, seeds=(0, 1))
PROSE = replace(ProseBertConfig.quick(), seeds=(0, 1), **SMALL)
LETTERS = {"letters": "AB", "filters": 2, "hidden": 3, "steps": 2, "validation": 2, "test": 3}
VIT = {"width": 16, "layers": 1, "filters": 2, "steps": 2, "seeds": (0, 1)}
LARGE = {"patch": 14, "batch_size": 8, "validation": 1, "test": 1}
GLYPHS_VIT = replace(GlyphsViTConfig.quick(), **LARGE, **VIT)
ERASING = replace(GlyphsErasingConfig.quick(), erased=1, **LARGE, **VIT)
EMOJI_VIT = replace(EmojiViTConfig.quick(), size=16, batch_size=4, painting_steps=2, **VIT)
EXAMPLES = replace(GlyphsExamplesConfig.quick(), seeds=(0, 1), **LETTERS)
WAYS = {"filters": 2, "steps": 2, "validation_tasks": 10, "tasks": 20}
PROTOTYPICAL = replace(GlyphsPrototypicalConfig.quick(), seeds=(0, 1), **WAYS)
FEWEST = {"images": 80, "drawings": 1_000, "classes": (10, 100, 12), "tasks": 10, "many_tasks": 10, "queries": 2}
TRANSFER = replace(GlyphsTransferConfig.quick(), filters=2, seeds=(0, 1), **FEWEST)
BLOBS = replace(BlobsCycleGANConfig.quick(), runs=3, points=40, steps=3, batch_size=8, hidden=4, seeds=(0, 1))
TRANSLATION = {"steps": 2, "width": 2, "critic_width": 2, "batch_size": 8, "seeds": (0, 1)}
FRAMED = replace(DigitsCycleGANConfig.quick(), judge_steps=2, filters=2, validation=20, **TRANSLATION)
TYPEFACES = replace(GlyphsCycleGANConfig.quick(), **TRANSLATION)
WORDSIM = replace(Word2VecWordSimConfig.quick(), dimension=8, epochs=8, seeds=(0, 1))
FSDD = replace(FsddMfccConfig.quick(), takes=12, segments=2, penalties=(0.3, 3.0), episodes=20)
VOICES = {
    "dilations": (1, 3),
    "width": 8,
    "skip": 8,
    "steps": 6,
    "batch": 2,
    "length": 100,
    "rates": (0.02,),
    "said": 1,
}
WAVENET = replace(WaveNetConfig.quick(), ridges=(1e-6,), seeds=(0, 1), **VOICES)
FEW = {
    "pictures": 100,
    "filters": 4,
    "width": 4,
    "encoder_steps": 3,
    "pairs": 60,
    "judged": 40,
    "weights": 2_000,
    "steps": 3,
}
FUSION = replace(FusionConfig.quick(), **FEW, rates=(1e-3, 1e-2), few=20, few_steps=2, few_batch=8, seeds=(0, 1))
BILINGUAL = replace(Word2VecBilingualConfig.quick(), dimension=6, epochs=6, components=3, seeds=(0, 1))

VIEWS = {"pairs": 60, "hidden": 4, "dimension": 3, "steps": 2, "batch_size": 16, "judged": 40, "draws": 2}
THREE_VIEWS = replace(DigitsThreeViewsConfig.quick(), seeds=(0, 1), **VIEWS)
PLACES = {"hidden": 4, "steps": 2, "places": 2, "walks": 2, "horizon": 2, "judged": 4}
NAVIGATION = replace(NavigationConfig.quick(), seeds=(0, 1), **PLACES)
FEW_WAVES = {"steps": 3, "tasks": 2, "queries": 3, "layers": 1, "width": 8, "hidden": 4, "judged": 10}
WAVES = replace(WavesConfig.quick(), seeds=(0, 1), **FEW_WAVES)
SCALING = replace(GlyphsScalingConfig.quick(), filters=2, steps=2, judged=20, seeds=(0, 1))


def load(
    name: str, *, split: str | None = None, rotations: bool = False, size: int = 0, validation: int = 0
) -> LabelledSet | Sounds | Texts | dict:
    """What is called instead of :func:`course.data.load`."""
    if name == "emoji":
        return tiny_emoji(split, size) if split else tiny_names(size)
    if name == "noto_emoji":
        return tiny_names(size)
    if name == "prose":
        return tiny_prose(split)
    if name == "usps" or (name == "mnist" and validation == FRAMED.validation):
        return tiny_framed(name, split)
    if name == "mnist":
        return tiny_digits(split) if validation else tiny_mnist(split)
    if name == "fsdd":
        return tiny_fsdd() if split is None else tiny_fsdd().select(torch.arange(0, 390, 13))
    if name == "glyphs":
        return tiny_glyphs(split)
    if name == "omniglot":
        assert rotations == (split == "train")
        return tiny_omniglot(split)
    return tiny_texts.load(name)


def tiny_emoji(split: str, size: int) -> LabelledSet:
    """Three groups, each of one colour, with noise."""
    generator = torch.Generator().manual_seed(len(split))
    y = torch.arange(3).repeat_interleave(4)
    x = 0.5 * torch.eye(3)[y][:, :, None, None] + 0.5 * torch.rand(12, 3, size, size, generator=generator)
    names = ("red", "green", "blue")
    return LabelledSet(x.mul(255).byte(), y, names, names, f"emoji ({split})", full=255)


def tiny_names(size: int) -> Emoji:
    """Forty pictures of one colour each, and their names, which say which colour, in two languages."""
    colours = torch.rand(40, 3, generator=torch.Generator().manual_seed(0))
    pictures = colours.mul(255).byte()[:, :, None, None].expand(-1, -1, size, size).contiguous()
    said = [" ".join(f"{100 * part:.0f}" for part in colour) for colour in colours.tolist()]
    names = {"en": tuple(said), "de": tuple(f"{each}!" for each in said)}
    characters = tuple(chr(0x1F400 + number) for number in range(40))
    keywords = {language: tuple((f"k{number}",) for number in range(40)) for language in names}
    groups = ("Red & Rose", "Green")
    return Emoji(
        pictures, (colours[:, 0] < colours[:, 1]).long(), groups, groups, "tiny names", full=255,
        characters=characters, names=names, keywords=keywords,
    )  # fmt: skip


def named_vectors(texts, device, name: str = "", *, pretrained: bool = True) -> torch.Tensor:
    """In place of a language model: the three numbers of a name, or of its letters if it has none."""
    spelled = [re.findall(r"\d+", text)[:3] or [ord(letter) - 96 for letter in text[-3:]] for text in texts]
    numbers = [[float(each) for each in three] for three in spelled]
    rows = torch.tensor([[*row, 1.0, 1.0, 1.0][:3] for row in numbers], device=device)
    return rows @ torch.randn(3, 12, generator=torch.Generator().manual_seed(int(pretrained) + 2 * len(name)))


def seen_vectors(x: torch.Tensor, pretrained: bool = True) -> torch.Tensor:
    """In place of a picture encoder: the mean colour, to three decimals, which are the same in every process."""
    found = x.mean((2, 3)) @ torch.randn(3, 14, generator=torch.Generator().manual_seed(2 + int(pretrained)))
    return found.round(decimals=3)


def tiny_digits(split: str) -> LabelledSet:
    """Five digits of random blocks on the right half and on the left, and noise."""
    generator = torch.Generator().manual_seed(1)
    shapes = torch.rand(5, 1, HEIGHT, 28, generator=generator)
    y = torch.arange(5).repeat({"train": 80, "validation": 20, "test": 30}[split])
    generator.manual_seed(len(split))
    noisy = 0.7 * shapes[y] + 0.3 * torch.rand(len(y), 1, HEIGHT, 28, generator=generator)
    names = tuple(map(str, range(5)))
    return LabelledSet(noisy.mul(255).byte(), y, names, names, f"tiny digits ({split})", full=255)


def tiny_omniglot(split: str) -> LabelledSet:
    """Characters of 4 × 4 random blocks, five noisy drawings each; those of two splits differ."""
    classes = 22
    generator = torch.Generator().manual_seed(len(split))
    blocks = torch.rand(classes, 1, 1, 4, 4, generator=generator).gt(0.5).float()
    shapes = blocks.repeat_interleave(SIZE // 4, -1).repeat_interleave(SIZE // 4, -2)
    noisy = 255 * (0.8 * shapes + 0.2 * torch.rand(classes, 5, 1, SIZE, SIZE, generator=generator))
    names = tuple(f"{split} {number}" for number in range(classes))
    labels = torch.arange(classes).repeat_interleave(5)
    return LabelledSet(noisy.flatten(0, 1).to(torch.uint8), labels, names, names, "tiny omniglot", full=255)


def tiny_glyphs(split: str) -> LabelledSet:
    """Sixty blocks of noise with ten noisy drawings each; those of two splits differ."""
    generator = torch.Generator().manual_seed(len(split))
    shapes = torch.rand(60, 1, 1, SIZE, SIZE, generator=generator)
    noisy = 127 * (shapes + torch.rand(60, 10, 1, SIZE, SIZE, generator=generator))
    names = tuple(f"{split} {number}" for number in range(60))
    labels = torch.arange(60).repeat_interleave(10)
    return LabelledSet(noisy.flatten(0, 1).to(torch.uint8), labels, names, names, "tiny glyphs", full=255)


def tiny_render(characters, examples: int, *, seed: int) -> LabelledSet:
    """Noisy drawings of blocks of noise; a character looks the same for every seed."""
    names = tuple(characters)
    blocks = [torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(ord(name))) for name in names]
    shapes = torch.stack(blocks).repeat_interleave(examples, 0)
    noisy = 127 * (shapes + torch.rand(shapes.shape, generator=torch.Generator().manual_seed(seed)))
    labels = torch.arange(len(names)).repeat_interleave(examples)
    return LabelledSet(noisy.to(torch.uint8), labels, names, names, "tiny characters", full=255)


def tiny_characters(*scripts: str) -> tuple[str, ...]:
    """Twelve characters for each list of scripts; no two lists share one."""
    first = 100 + 12 * ("Latin", "Greek", "Cyrillic", "Armenian").index(scripts[0])
    return tuple(map(chr, range(first, first + 12)))


def install_transfer(patch) -> None:
    """Few settings and methods, and characters that are quickly drawn."""
    few = ("nearest neighbour", "linear probe", "MAML", "MAML, equal seconds", "ProtoNet, by batch")
    patch(GlyphsTransferConfig, "quick", lambda: TRANSFER)
    patch(GlyphsTransferRatesConfig, "quick", lambda: GlyphsTransferRatesConfig(TRANSFER, tasks=10))
    patch(
        GlyphsTransfer, "settings", ("far script, 1-shot", "emoji, 5-shot", "far script, 1-shot, 10 training classes")
    )
    patch(GlyphsTransfer, "methods", few)
    patch(GlyphsTransfer, "differences", (("ProtoNet, by batch", "MAML"),))
    tried = ("nearest neighbour | untrained | 9", "linear probe | rate 0.003", "MAML | rate 0.01 | 1")
    patch(GlyphsTransferRates, "settings", ("10 training classes", "12 training classes"))
    patch(GlyphsTransferRates, "methods", tuple(row for row in GlyphsTransferRates.methods if row.startswith(tried)))
    patch(glyphs_transfer, "render", tiny_render)
    patch(glyphs_transfer, "render_emoji", tiny_render)
    patch(glyphs_transfer, "characters_of", tiny_characters)
    patch(glyphs_transfer, "emoji_of_the_test", lambda: "abcdefghij")


def install_fusion(patch) -> None:
    """Every sort of method, but of each sort one; all of them are measured in test_digits_fusion.py."""
    kind, few = digits_fusion.DigitsFusion, (digits_fusion.IMAGE, digits_fusion.EARLY)
    sorts = (digits_fusion.CHANCE, digits_fusion.UNTRAINED, digits_fusion.EXPERTS, digits_fusion.LATE)
    trained_otherwise = (next(iter(digits_fusion.DROPPED)), next(iter(digits_fusion.NOISED)))
    patch(kind, "settings", (digits_fusion.SAME, digits_fusion.MATCH, digits_fusion.END))
    patch(kind, "methods", (*few, *sorts, *trained_otherwise))
    patch(kind, "only", dict.fromkeys((digits_fusion.MATCH, digits_fusion.END), few))
    patch(kind, "differences", (few[::-1],))
    parts = cache(lambda *_: glyphs_and_voices(10, 2))
    patch(digits_fusion, "mnist_and_fsdd", parts)
    patch(digits_fusion, "glyphs_and_voices", parts)


def install_outlook(patch) -> None:
    """Words become random vectors, always the same; of a row of sizes the first ones remain."""
    patch(DigitsThreeViewsConfig, "quick", lambda: THREE_VIEWS)
    patch(digits_three_views, "text_vectors", random_vectors)
    patch(NavigationConfig, "quick", lambda: NAVIGATION)
    patch(WavesConfig, "quick", lambda: WAVES)
    patch(WavesScaling, "methods", WavesScaling.methods[:2])
    patch(GlyphsScalingConfig, "quick", lambda: SCALING)
    patch(GlyphsScaling, "methods", GlyphsScaling.methods[:3])
    patch(glyphs_scaling, "COUNTS", glyphs_scaling.COUNTS[:2])


def random_vectors(texts, device) -> torch.Tensor:
    """Twelve random numbers for each text."""
    drawn = [torch.randn(12, generator=torch.Generator().manual_seed(zlib.crc32(text.encode()))) for text in texts]
    return torch.stack(drawn).to(device)


def tiny_clips(*_) -> Clips:
    """Three emotions of six speakers as points in a space of six dimensions, twice two sentences each."""
    generator = torch.Generator().manual_seed(0)
    y, speakers = torch.arange(3).repeat_interleave(4).repeat(6), torch.arange(6).repeat_interleave(12)
    moved = 2 * torch.randn(6, 6, generator=generator)
    x = (2 * torch.eye(3, 6)[y] + moved[speakers] + 0.6 * torch.randn(72, 6, generator=generator)).double()
    people, content = tuple("abcdef"), torch.arange(4).repeat(18) % 2
    return Clips(x, y, ("anger", "neutral", "sadness"), speakers, people, content, "tiny clips")


def install_emotion(patch) -> None:
    """A setting of each sort with one or two methods; the vectors are points."""
    asked = ("prototypes", speech_emotion.GAUSSIAN)
    some = {speech_emotion.NOTHING: ("most frequent emotion", speech_emotion.SCALED, speech_emotion.GAUSSIAN)}
    some |= {speech_emotion.TWO: asked, speech_emotion.FLATTERED: (speech_emotion.SCALED,)}
    some |= dict.fromkeys((speech_emotion.LOW, speech_emotion.WOMEN, speech_emotion.SEXES), asked[1:])
    some |= dict.fromkeys((speech_emotion.AROUSAL, "recall of anger", "without melody"), asked[1:])
    some |= {speech_emotion.LINE: asked, speech_emotion.NEW: ("no example", "K = 1, others")}
    for kind in (speech_emotion.VoicesEmotion, speech_emotion.RavdessEmotion):
        patch(kind, "settings", tuple(some))
        patch(kind, "only", some)
        patch(kind, "methods", tuple(dict.fromkeys(name for names in some.values() for name in names)))
        patch(kind, "differences", ((speech_emotion.GAUSSIAN, speech_emotion.SCALED),))
        patch(kind, "in_condition", lambda self, setting: replace(self.clips, x=0.5 * self.clips.x.flip(0)))
    patch(speech_emotion, "registered", lambda name: (None, None))
    patch(speech_emotion, "clips_of", tiny_clips)
    patch(speech_emotion.EmotionConfig, "quick", lambda: speech_emotion.EmotionConfig(folds=3, seeds=(0, 1)))


def install_zeroshot(patch) -> None:
    """Names with a letter to share, a trial or two for each method, and few settings of the cuts."""
    for config in (EmojiZeroShotConfig, NotoZeroShotConfig):
        patch(config, "quick", lambda: EMOJI_ZEROSHOT)
    patch(GlyphsZeroShotConfig, "quick", lambda: GLYPHS_ZEROSHOT)
    patch(emoji_zeroshot, "look_alikes", lambda: ((chr(0x1F400), chr(0x1F401)),))
    patch(emoji_zeroshot, "words", lambda text: frozenset(f"{chr(97 + int(n) // 25)}{n[-1]}" for n in text.split()[:1]))
    patch(scorers, "LEAST", (2,))
    patch(scorers, "MAPS", {name: (fit, [grid[:2] for grid in grids]) for name, (fit, grids) in scorers.MAPS.items()})
    cuts, few = emoji_zeroshot.EmojiZeroShotCuts, ("group: Green", "described in de", emoji_zeroshot.UNKNOWN)
    patch(cuts, "settings", few)
    patch(emoji_zeroshot, "ALIKE_GROUPS", ("Green",))
    letters = tuple("ABCDEFGHIJKLMabcdefghijklmΓΔΘΛΞΠЖЯЮЩ")
    patch(glyphs_zeroshot, "alphabet", lambda: letters)
    patch(glyphs_zeroshot, "pictures", tiny_letters)


def tiny_letters(size: int) -> torch.Tensor:
    """Twelve noisy pictures of one colour for each of 36 letters."""
    generator = torch.Generator().manual_seed(0)
    colours = torch.rand(36, 1, 3, 1, 1, generator=generator)
    noisy = colours + 0.1 * torch.rand(36, 12, 3, 1, 1, generator=generator)
    return (noisy / 1.1).expand(-1, -1, -1, size, size)


def install_crosslingual(patch) -> None:
    """Two kinds of small texts in as many languages, and few methods of each sort."""
    kind, tongues = crosslingual_recipes.Crosslingual, crosslingual_recipes.EMOJI
    patch(CrosslingualConfig, "quick", lambda: CROSSLINGUAL)
    named = cache(lambda tongues: small_languages.small_parts(tongues, 21, 2, 2))
    patch(language_texts, "emoji_names", lambda seed, more=None: dict(named((*tongues, *(more or ())))))
    tweets = cache(lambda *_: small_languages.small_parts(crosslingual_recipes.TWEETS, 21, 4, 6))
    patch(language_texts, "tweets", tweets)
    patch(crosslingual_recipes, "text_vectors", small_languages.vectors_by_rule)
    patch(MixedConfig, "quick", lambda: MixedConfig(seeds=(0, 1)))
    patch(crosslingual_recipes.UmsabCrosslingual, "only", few_of(crosslingual_recipes.UmsabCrosslingual.only))
    patch(crosslingual_recipes.EmojiCrosslingual, "only", few_of(kind.only))
    patch(language_limits.EmojiUnread, "settings", (crosslingual_recipes.NONE, crosslingual_recipes.FIVE))
    patch(language_limits.EmojiUnread, "only", few_of(dict.fromkeys((crosslingual_recipes.NONE,))))
    patch(language_limits.TweetsMixed, "settings", ("half of the words",))


def few_of(only: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """A few methods; every one of them is measured in test_crosslingual_recipes.py."""
    few, first = (crosslingual_recipes.ALL_CENTRED, crosslingual_recipes.ANCHORED), next(iter(only))
    kept = dict.fromkeys(only, few[:1]) | {first: (few[0], crosslingual_recipes.UNTRAINED)}
    return kept | {crosslingual_recipes.FIVE: few, crosslingual_recipes.SINGLE: ("from hindi",)}


def tiny_mnist(split: str) -> LabelledSet:
    """Three-number things seen twice, once in each half, each time through many noisy pixels; the sign is the class."""
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(2, 3, HEIGHT * 14, generator=generator)  # the same for both splits
    generator.manual_seed(len(split))
    hidden = torch.randn({"train": 500, "test": 300}[split], 3, generator=generator)
    views = [hidden @ weights + torch.randn(len(hidden), HEIGHT * 14, generator=generator) for weights in (left, right)]
    images = torch.cat([view.unflatten(1, (1, HEIGHT, 14)) for view in views], dim=-1)
    pixels = (127 + 40 * images).clamp(0, 255).to(torch.uint8)
    return LabelledSet(pixels, (hidden[:, 0] > 0).long(), ("-", "+"), ("-", "+"), "tiny mnist", full=255)


def tiny_framed(name: str, split: str) -> LabelledSet:
    """Ten blocks of noise, seen in a noisy frame: those of one set are larger than those of the other."""
    generator = torch.Generator().manual_seed(0)
    shapes = torch.rand(10, 1, 1, SIZE, SIZE, generator=generator).repeat(1, 3, 1, 1, 1)
    generator.manual_seed(len(name + split))
    noisy = 127 * (shapes + torch.rand(10, 3, 1, SIZE, SIZE, generator=generator))
    if name == "mnist":
        noisy = torch.nn.functional.pad(noisy, (6, 6, 6, 6))
    names = tuple("0123456789")
    labels = torch.arange(10).repeat_interleave(3)
    return LabelledSet(noisy.flatten(0, 1).to(torch.uint8), labels, names, names, f"tiny {name}", full=255)


def tiny_typefaces(split: str) -> Pairs:
    """Twenty blocks of noise; the partner of each is the block turned over, with less ink."""
    generator = torch.Generator().manual_seed(len(split))
    x = torch.rand(20, 1, SIZE, SIZE, generator=generator)
    x, y = (255 * each for each in (x, 0.7 * x.flip(-1)))
    return Pairs(x.to(torch.uint8), y.to(torch.uint8), f"tiny typefaces ({split})", x_full=255, y_full=255)


def tiny_fsdd() -> Sounds:
    """Six speakers say five digits thirteen times: a digit is a tone, a speaker a loudness and a background."""
    rate, samples, generator = 8000, 1200, torch.Generator().manual_seed(0)
    y = torch.arange(5).repeat(78)
    speakers = torch.arange(6).repeat_interleave(65)
    time = torch.arange(samples) / rate
    tones = torch.sin(2 * torch.pi * (400 + 500 * y[:, None] + 20 * speakers[:, None]) * time)
    noise = torch.randn(len(y), samples, generator=generator)
    names = tuple(map(str, range(5)))
    lengths = torch.randint(800, samples + 1, (len(y),), generator=generator)
    x = ((0.1 + 0.05 * speakers[:, None]) * tones + 0.02 * noise) * (torch.arange(samples) < lengths[:, None])
    people = {"speakers": speakers, "speaker_names": tuple("abcdef")}
    return Sounds(x, y, names, names, "tiny fsdd", lengths=lengths, rate=rate, **people)


def tiny_prose(split: str) -> Texts:
    """Sentences of one form with words drawn at random."""
    generator = torch.Generator().manual_seed(len(split))
    words = ("cat", "dog", "bird", "tree", "house", "river")
    drawn = torch.randint(len(words), (200, 2), generator=generator).tolist()
    texts = tuple(f"the {words[a]} is near the {words[b]}." for a, b in drawn)
    return Texts(texts, tuple(map(str, range(len(texts)))), "tiny prose")


def install(patch=setattr) -> None:
    """Let the recipes use the small sets and settings; ``patch`` may be pytest's ``monkeypatch.setattr``."""
    patch(data, "load", load)
    patch(OmniglotMAMLConfig, "quick", lambda: OMNIGLOT)
    patch(MnistCCAConfig, "quick", lambda: MNIST)
    patch(FusionConfig, "quick", lambda: FUSION)
    install_fusion(patch)
    patch(MnistHalvesConfig, "quick", lambda: HALVES)
    patch(DigitsContrastiveConfig, "quick", lambda: DIGITS)
    patch(EmojiContrastiveConfig, "quick", lambda: EMOJI_CONTRASTIVE)
    patch(emoji_contrastive, "METHODS", {name: fits[::4] for name, fits in METHODS.items()})
    patch(emoji_contrastive, "picture_vectors", seen_vectors)
    patch(emoji_contrastive, "text_vectors", named_vectors)
    patch(emoji_contrastive, "look_alikes", lambda: ((chr(0x1F400), chr(0x1F401)),))
    patch(FsddMfccConfig, "quick", lambda: FSDD)
    patch(ProseBertConfig, "quick", lambda: PROSE)
    patch(GlyphsExamplesConfig, "quick", lambda: EXAMPLES)
    patch(GlyphsViTConfig, "quick", lambda: GLYPHS_VIT)
    patch(GlyphsErasingConfig, "quick", lambda: ERASING)
    for name, value in {"CHARACTERS": "AB", "MIDDLE": "2 of a class", "LONGER": "2 of a class, longer"}.items():
        patch(glyphs_vit, name, value)
    patch(glyphs_vit.GlyphsViT, "settings", ("1 of a class", "2 of a class", "2 of a class, longer"))
    patch(glyphs_vit.GlyphsViT, "only", {"2 of a class, longer": (glyphs_vit.CNN, glyphs_vit.VIT)})
    patch(EmojiViTConfig, "quick", lambda: EMOJI_VIT)
    patch(GlyphsPrototypicalConfig, "quick", lambda: PROTOTYPICAL)
    patch(BlobsCycleGANConfig, "quick", lambda: BLOBS)
    patch(DigitsCycleGANConfig, "quick", lambda: FRAMED)
    patch(GlyphsCycleGANConfig, "quick", lambda: TYPEFACES)
    patch(glyphs_cyclegan, "load_typefaces", tiny_typefaces)
    patch(Word2VecWordSimConfig, "quick", lambda: WORDSIM)
    patch(WaveNetConfig, "quick", lambda: WAVENET)
    patch(wavenet_bits, "SAID", 900)  # samples
    patch(wavenet_bits, "TAKES", 4)
    patch(wavenet_bits, "held", cache(wavenet_bits.held))
    patch(Word2VecBilingualConfig, "quick", lambda: BILINGUAL)
    install_transfer(patch)
    install_outlook(patch)
    install_emotion(patch)
    install_zeroshot(patch)
    install_crosslingual(patch)
    patch(runner, "CHECKPOINT_SECONDS", 1e-9)  # after each step


def start(recipe: str, folder: Path) -> Path | None:
    return runner.run(recipe_class(recipe), "quick", output=folder, runs=folder / "runs", device="cpu")


def before_each_file(function) -> None:
    """Call ``function`` with the path of every file just before it is put there."""
    replace = Path.replace
    Path.replace = lambda partial, path: (function(path), replace(partial, path))


def life(recipe: str, folder: Path, files: int) -> bool:
    """Run the recipe in a process that is killed when it has put so many files; whether it was killed."""
    child = os.fork()
    if child == 0:
        left = iter(range(files))
        before_each_file(lambda _: next(left, None) is None and os.kill(os.getpid(), signal.SIGKILL))
        start(recipe, folder)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), "a life ended with an error"
    return status != 0


def one_of_two(recipe: str, folder: Path) -> None:
    with (folder / "written").open("a", encoding="utf8", buffering=1) as names:
        before_each_file(lambda path: names.write(f"{path.name}\n"))
        start(recipe, folder)


def main(recipe: str, folder: Path) -> None:
    torch.set_num_threads(1)  # a forked process inherits no threads
    install()
    start(recipe, folder / "whole")
    lives = 1
    # The clock and the two files of a checkpoint are a step forward. Each life is longer, so that they are not many.
    while life(recipe, folder / "killed", round(4 * 1.25 ** (lives - 1))):
        lives += 1
    (folder / "two").mkdir()
    debug_launcher(one_of_two, (recipe, folder / "two"), num_processes=2)
    print(lives)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
