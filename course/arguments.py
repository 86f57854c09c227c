"""Checks of arguments that several modules share."""

from operator import index


def require_whole(name: str, value: object, least: int = 1, most: int | None = None) -> None:
    """Raise ValueError unless ``value`` is a whole number from ``least`` to ``most``; ``None`` is no end.

    Whole is what can be an index, such as an ``np.int64``; a truth value cannot be meant.
    """
    try:
        number = None if isinstance(value, bool) else index(value)
    except TypeError:
        number = None
    if number is not None and least <= number and (most is None or number <= most):
        return
    wanted = f"of at least {least}" if most is None else f"from {least} to {most:,}"
    raise ValueError(f"{name} must be a whole number {wanted}, got {value!r}")
