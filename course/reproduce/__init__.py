"""Recipes of published tables. Each writes a result file that the book shows beside the paper's numbers."""

import pkgutil
from typing import NamedTuple

from course.errors import CourseError


class Listed(NamedTuple):
    """What is known of a recipe before it runs: its class as ``module:class``, its data sets, what its table shows."""

    path: str
    data: tuple[str, ...]
    title: str


# A recipe's class is imported when it is run, so that `course reproduce --help` need not wait for torch. The shortest
# come first: in this order `make gpu` runs them.
RECIPES = {
    "mnist-cca": Listed(
        "course.reproduce.mnist_cca:MnistCCA",
        ("mnist",),
        "PCA, linear, kernel and deep CCA between the halves of MNIST digits (after Andrew et al., 2013)",
    ),
    "mnist-halves-contrastive": Listed(
        "course.reproduce.mnist_halves_contrastive:MnistHalvesContrastive",
        ("mnist",),
        "correlation or contrast between the halves of MNIST digits, with the same networks and batches",
    ),
    "emoji-zeroshot-cuts": Listed(
        "course.reproduce.emoji_zeroshot:EmojiZeroShotCuts",
        (),
        "for whom naming unseen emoji works: by group, by language of the description, by ImageNet's classes",
    ),
    "glyphs-zeroshot-shots": Listed(
        "course.reproduce.glyphs_zeroshot:GlyphsZeroShotShots",
        (),
        "how many pictures a name is worth: letters never seen from a name, from 1 to 5 pictures, and from both",
    ),
    "noto-zeroshot": Listed(
        "course.reproduce.emoji_zeroshot:NotoZeroShot",
        ("noto_emoji",),
        "name pictures of 200 emoji never seen, drawn by another artist, from names and keywords",
    ),
    "glyphs-zeroshot": Listed(
        "course.reproduce.glyphs_zeroshot:GlyphsZeroShot",
        (),
        "name letters never seen by their Unicode names: letters held out, and whole scripts",
    ),
    "emoji-zeroshot": Listed(
        "course.reproduce.emoji_zeroshot:EmojiZeroShot",
        (),
        "name pictures of 200 emoji never seen by attributes, ridge, CCA and contrast; hubs, seen classes, refusal",
    ),
    "digits-contrastive": Listed(
        "course.reproduce.digits_contrastive:DigitsContrastive",
        ("fsdd", "mnist"),
        "spoken digits find written ones: several contrastive losses, CCA, and classifiers that know the labels",
    ),
    "emoji-contrastive": Listed(
        "course.reproduce.emoji_contrastive:EmojiContrastive",
        (),
        "find a picture by its name among 200: linear maps between frozen encoders, their controls, other languages",
    ),
    "noto-contrastive": Listed(
        "course.reproduce.emoji_contrastive:NotoContrastive",
        ("noto_emoji",),
        "find a picture by its name and keywords among 200: the same maps with Google's pictures and richer texts",
    ),
    "voices-emotion": Listed(
        "course.reproduce.speech_emotion:VoicesEmotion",
        (),
        "simulated emotions of unseen speakers: the speaker's scale, few labels, MAML, noise, an emotion never heard",
    ),
    "ravdess-emotion": Listed(
        "course.reproduce.speech_emotion:RavdessEmotion",
        ("ravdess",),
        "eight acted emotions of unseen actors: the speaker's scale, few labels, MAML, noise, an emotion never heard",
    ),
    "emoji-crosslingual": Listed(
        "course.reproduce.crosslingual_recipes:EmojiCrosslingual",
        (),
        "the group of an emoji by its name in a language without labels, or with few: heads, meta-learners, controls",
    ),
    "emoji-unread": Listed(
        "course.reproduce.language_limits:EmojiUnread",
        ("cldr_names",),
        "the group of an emoji by its name in eight languages that the encoder was not made for",
    ),
    "tweets-mixed": Listed(
        "course.reproduce.language_limits:TweetsMixed",
        ("umsab", "xling_eval"),
        "sentiment of English tweets in which a share of the words is said in one of seven other languages",
    ),
    "umsab-crosslingual": Listed(
        "course.reproduce.crosslingual_recipes:UmsabCrosslingual",
        ("umsab",),
        "sentiment of tweets in eight languages, each learned from the others; and from each one to each other one",
    ),
    "fsdd-mfcc": Listed(
        "course.reproduce.fsdd_mfcc:FsddMfcc",
        ("fsdd",),
        "spoken digits of unseen recordings and unseen speakers: MFCC with one part changed at a time, and baselines",
    ),
    "prose-bert": Listed(
        "course.reproduce.prose_bert:ProseBert",
        (),
        "how to hide tokens from a small BERT, and where it begins, on docstrings (after Devlin et al., 2019)",
    ),
    "glyphs-examples": Listed(
        "course.reproduce.glyphs_examples:GlyphsExamples",
        (),
        "a convolutional network, a plain one and nearest neighbours from 1 to 100 examples of a letter",
    ),
    "voices-wavenet": Listed(
        "course.reproduce.wavenet_bits:VoicesWaveNet",
        (),
        "bits a sample of simulated vowels, and whether what a small WaveNet says has their pitch and formants",
    ),
    "fsdd-wavenet": Listed(
        "course.reproduce.wavenet_bits:FsddWaveNet",
        ("fsdd",),
        "bits a sample of spoken digits by a small WaveNet, linear prediction and shares of codes",
    ),
    "emoji-vit": Listed(
        "course.reproduce.emoji_vit:EmojiViT",
        (),
        "the group of an emoji by a CNN and by vision transformers, one choice changed at a time",
    ),
    "glyphs-erasing": Listed(
        "course.reproduce.glyphs_erasing:GlyphsErasing",
        (),
        "does an attention map name the patches that a vision transformer needs? They are erased",
    ),
    "digits-three-views": Listed(
        "course.reproduce.digits_three_views:DigitsThreeViews",
        ("fsdd", "mnist"),
        "a word finds a recording though no word was paired with one: pictures in the middle, chains, and controls",
    ),
    "navigation-maml": Listed(
        "course.reproduce.navigation_maml:NavigationMAML",
        (),
        "a place in the plane is found from rewards: four ways to train a policy that is to adapt",
    ),
    "waves-in-context": Listed(
        "course.reproduce.waves_in_context:WavesInContext",
        (),
        "a network that reads its training set, MAML and two fits, on waves as in training and beyond",
    ),
    "glyphs-scaling": Listed(
        "course.reproduce.glyphs_scaling:GlyphsScaling",
        (),
        "the error on unseen scripts with 20 to 1,280 characters in training",
    ),
    "waves-scaling": Listed(
        "course.reproduce.waves_scaling:WavesScaling",
        (),
        "the error on new waves with 1 to 256 different waves in training, of MAML and of a network that reads",
    ),
    "glyphs-vit": Listed(
        "course.reproduce.glyphs_vit:GlyphsViT",
        (),
        "a CNN and a vision transformer on letters, as the training set grows (after Dosovitskiy et al., 2021)",
    ),
    "glyphs-transfer-rates": Listed(
        "course.reproduce.glyphs_transfer_rates:GlyphsTransferRates",
        (),
        "the choices of glyphs-transfer on validation tasks: nine trials for each contender",
    ),
    "glyphs-transfer": Listed(
        "course.reproduce.glyphs_transfer:GlyphsTransfer",
        (),
        "transfer or meta-learning: ten ways to learn from few examples over shots, training classes and domains",
    ),
    "digits-fusion": Listed(
        "course.reproduce.digits_fusion:DigitsFusion",
        ("mnist", "fsdd"),
        "a handwritten and a spoken digit by nine kinds of fusion: what each can answer, and what it bears",
    ),
    "glyphs-voices-fusion": Listed(
        "course.reproduce.digits_fusion:GlyphsVoicesFusion",
        (),
        "the same with printed digits and simulated vowels that stand for digits",
    ),
    "glyphs-prototypical": Listed(
        "course.reproduce.glyphs_prototypical:GlyphsPrototypical",
        (),
        "prototypical networks trained with tasks of 5, 20 and 60 ways at equal images, on scripts never seen",
    ),
    "blobs-cyclegan": Listed(
        "course.reproduce.blobs_cyclegan:BlobsCycleGAN",
        (),
        "which symmetry of a square networks find that are trained without pairs, one loss at a time",
    ),
    "glyphs-cyclegan": Listed(
        "course.reproduce.glyphs_cyclegan:GlyphsCycleGAN",
        (),
        "letters of an upright typeface to an italic one without pairs, beside simple maps and a paired ceiling",
    ),
    "digits-cyclegan": Listed(
        "course.reproduce.digits_cyclegan:DigitsCycleGAN",
        ("mnist", "usps"),
        "MNIST's digits for a classifier of USPS's, and the other way: CycleGAN, its parts, a crop, linear transport",
    ),
    "word2vec-bilingual": Listed(
        "course.reproduce.word2vec_bilingual:Word2VecBilingual",
        ("multi30k", "xling_eval"),
        "word vectors of English and German captions, trained apart and aligned by a small dictionary",
    ),
    "word2vec-wordsim": Listed(
        "course.reproduce.word2vec_wordsim:Word2VecWordSim",
        ("nltk_corpora", "wordsim", "analogies"),
        "Word2Vec on 2.8 million words: similarity and analogies with one idea taken away at a time",
    ),
    "omniglot-maml": Listed(
        "course.reproduce.omniglot_maml:OmniglotMAML",
        ("omniglot",),
        "5-way and 20-way 1-shot accuracy of MAML on Omniglot (Finn et al., 2017, Table 1)",
    ),
}


def require_recipe(name: str) -> None:
    """Raise CourseError, with the recipe that was probably meant, if there is none of this name."""
    if name not in RECIPES:
        from course.data.registry import suggestion

        raise CourseError(f"there is no recipe {name!r}; {suggestion(name, list(RECIPES))}")


def recipe_class(name: str) -> type:
    """The :class:`~course.reproduce.runner.Recipe` of this name; a CourseError if there is none."""
    require_recipe(name)
    return pkgutil.resolve_name(RECIPES[name].path)
