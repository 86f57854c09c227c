"""Where the files of a real data set lie: the reader's own folder first, then the cache of ``course data fetch``.

``$COURSE_DATA/<name>/`` is the reader's and is only ever read. The cache is ``$COURSE_CACHE`` or the folder that the
operating system gives to caches.
"""

import os
from pathlib import Path

from course.data.sets import Damaged, DataError

LOCK = ".lock"  # beside the files in the cache; it stays there after a fetch
PART = ".part"  # the suffix of a download that is not complete
ALSO = {"noto_emoji": "emoji"}  # another name that the folder of a set in $COURSE_DATA may have


def own_folder(name: str) -> Path | None:
    """``$COURSE_DATA/<name>``, or under the other name that it may have, if it is there.

    Raises:
        DataError: if COURSE_DATA is set to something that is not a folder.
    """
    value = os.environ.get("COURSE_DATA")
    if not value:
        return None
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise DataError(f"COURSE_DATA={value} is not a folder: correct or unset it")
    return next((folder / own for own in (name, ALSO.get(name, name)) if (folder / own).is_dir()), None)


def cache_folder(name: str) -> Path:
    """The folder of a data set in the cache, whether it exists or not."""
    value = os.environ.get("COURSE_CACHE")
    if value:
        return Path(value).expanduser() / name
    import pooch

    return Path(pooch.os_cache("everything-is-a-mapping")) / name


def locate(name: str) -> Path:
    """The folder to read a real data set from.

    Raises:
        Damaged: if the set is neither in ``$COURSE_DATA`` nor in the cache.
    """
    own, cached = own_folder(name), cache_folder(name)
    if own is not None:
        return own
    if fetched(cached):
        return cached
    value = os.environ.get("COURSE_DATA")
    looked = f"{Path(value) / name}" if value else f"$COURSE_DATA/{name} (COURSE_DATA is not set)"
    raise Damaged(f"{name} is not on this machine; looked for {looked} and {cached}")


def fetched(folder: Path) -> bool:
    """Whether a folder of the cache holds more than the lock and the unfinished downloads of a fetch that failed."""
    return any(path.is_file() and path.name != LOCK and path.suffix != PART for path in folder.rglob("*"))


def remedy(name: str, source: str = "") -> str:
    """What to do about a missing or damaged set; a download helps only where no folder of the reader's comes first.

    Args:
        name: of the set.
        source: where its owner offers it, if it is no set that can be fetched.
    """
    own, fetch = own_folder(name), f"run `course data fetch {name}`"
    if source:
        there = own or f"a folder {name}/ and let COURSE_DATA name the folder above it"
        return f"its owner offers {source}; put that into {there}"
    if own is not None:
        return f"put the complete set into {own}, or unset COURSE_DATA and {fetch}"
    return f"{fetch}, or let COURSE_DATA name a folder that holds a complete {name}/"
