"""Three systems built from everything below: data in, a model out, and answers that say what they rest on."""

# The class of each system, which is imported only when it is asked for, and what the command line says of it.
SYSTEMS: dict[str, tuple[str, str]] = {
    "emotion": ("course.applications.emotion:Emotions", "the emotion that a recording of speech sounds like"),
    "zeroshot": (
        "course.applications.zeroshot:ZeroShot",
        "name pictures of classes never seen, by descriptions: a folder of pictures a class, and descriptions.csv",
    ),
    "crosslingual": (
        "course.applications.crosslingual:CrossLingual",
        "texts to classes in many languages, from labels in some of them",
    ),
}
