"""How a file names the other files that it links to."""

from __future__ import annotations

import os

LINKS = ("auto", "relative", "absolute")
_STEPS_UP = 2  # from view/ or view/run/ to the folder of an experiment
_SHARED = 2  # folders below the root: /data and /home belong to everybody, /data/run7 does not


def real_place(name: str | os.PathLike[str]) -> str:
    """The absolute path of a file: links among its folders resolved, its own name kept.

    Not `os.path.abspath`: that takes ``a/link/../b`` for ``a/b``, wherever the link leads.
    """
    folder, last = os.path.split(os.fspath(name))
    return os.path.join(os.path.realpath(folder or os.curdir), last)


def name_in(view: str, other: str, links: str = "auto") -> str:
    """What the file `view` stores as the name of the file `other`.

    Parameters
    ----------
    links : {"auto", "relative", "absolute"}
        "auto": relative to the view's folder where both are likely to move together. These are
        files in this folder or below; and files below its parent, or the parent of that, if this
        is at least two folders below the root.
    """
    check_links(links)
    home, path = os.path.dirname(os.path.realpath(view)), real_place(other)
    if links == "absolute" or (links == "auto" and not move_together(home, path)):
        return path
    if os.path.splitdrive(home)[0] != os.path.splitdrive(path)[0]:
        raise ValueError(f"{path} is on another drive than {view}: use links='absolute'")
    return os.path.relpath(path, home).replace(os.sep, "/")


def check_links(links: str) -> None:
    """Refuse what is no way to link."""
    if links not in LINKS:
        raise ValueError(f"links={links!r} is not possible: choose one of {', '.join(LINKS)}")


def move_together(home: str, path: str) -> bool:
    """Whether a file seems to belong to the same tree as the view in the folder `home`.

    >>> move_together("/data/run7/view", "/data/run7/view/constants/dark.h5")
    True
    >>> move_together("/data/run7/view", "/data/run7/raw/1.h5")
    True
    >>> move_together("/home/me", "/home/you/1.h5"), move_together("/a/b/c/d/e", "/a/b/1.h5")
    (False, False)
    """
    ours, theirs = _folders(home), _folders(os.path.dirname(path))
    same = 0
    while same < min(len(ours), len(theirs)) and ours[same] == theirs[same]:
        same += 1
    steps_up = len(ours) - same
    if steps_up == 0:
        return True
    return steps_up <= _STEPS_UP and same - 1 >= _SHARED  # the first is the root


def _folders(path: str) -> list[str]:
    drive, rest = os.path.splitdrive(path)
    return [drive + os.sep, *filter(None, rest.replace(os.sep, "/").split("/"))]
