"""Where a dataset is: a file, and the path in it. h5calib has the same rule in its `place`."""

import os
import re

_DRIVE = re.compile(r"(?:[\\/]{2}[?.][\\/])?[A-Za-z]:(?=[\\/])")


def place_of(given):
    """(file, path) of ``"file:/path"``, of a pair, or of a `pathlib.Path`; None for what is none.

    The path is None where only a file is named.

    >>> place_of("run1/dark.h5:/dark"), place_of("C:/run1/dark.png")
    (('run1/dark.h5', '/dark'), ('C:/run1/dark.png', None))
    >>> place_of(("a:/b@home.h5", "dark"))
    ('a:/b@home.h5', '/dark')
    """
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], str):
        file, path = given
        if isinstance(file, (str, os.PathLike)):
            return os.fspath(file), "/" + path.lstrip("/")
    if not isinstance(given, (str, os.PathLike)):
        return None
    text = os.fspath(given)
    return split_reference(text) or (text, None)


def split_reference(text):
    """File and path of ``"file:/path"``; None where there is no file in it.

    The last ``:/`` separates them, or, where both can have some, the one before which there is
    a file. The letter of a drive is part of the file.

    >>> split_reference("run1/raw.h5:/data/raw")
    ('run1/raw.h5', '/data/raw')
    >>> split_reference("C:/run1/raw.h5") is None
    True
    """
    drive = _DRIVE.match(text)
    start = drive.end() if drive else 0
    splits = [
        (text[: match.start()], text[match.start() + 1 :])
        for match in re.finditer(":(?=/)", text)
        if match.start() > start or (not drive and match.start() > 0)
    ]
    if len(splits) > 1:
        there = [place for place in splits if os.path.isfile(place[0])]
        return there[0] if len(there) == 1 else splits[-1]
    return splits[0] if splits else None
