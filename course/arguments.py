"""Checks of arguments that several modules share."""


def require_whole(name: str, value: object, least: int = 1, most: int | None = None) -> None:
    """Raise ValueError unless ``value`` is an ``int`` (no ``bool``) from ``least`` to ``most``; ``None`` is no end."""
    if isinstance(value, int) and not isinstance(value, bool) and least <= value and (most is None or value <= most):
        return
    wanted = f"of at least {least}" if most is None else f"from {least} to {most:,}"
    raise ValueError(f"{name} must be a whole number {wanted}, got {value!r}")
