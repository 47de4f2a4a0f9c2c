"""Which images a user means, in which order, and which shot numbers they get."""

import glob
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import CCDError, ImageError

#: endings of what is taken from a folder
ENDINGS = {
    ".bmp", ".fit", ".fits", ".fts", ".gif", ".jpeg", ".jpg", ".npy", ".pbm", ".pgm", ".png",
    ".pnm", ".ppm", ".tif", ".tiff", ".webp",
}  # fmt: skip
_NUMBER = re.compile(r"\d+")


def natural(path: Path) -> list[tuple[int, int, str]]:
    """A key that sorts shot_2 before shot_10, folder by folder."""
    parts = re.split(r"(\d+)", str(path))
    return [(1, int(p), p) if i % 2 else (0, 0, p) for i, p in enumerate(parts)]


def find_images(given: Iterable[Path]) -> list[Path]:
    """The files that are meant by files, folders and patterns, each once, in natural order."""
    found: list[Path] = []
    for path in given:
        found += _meant(path)
    twice = sorted({str(p) for p in found if found.count(p) > 1}) if len(found) < 2000 else []
    if twice or len(set(found)) < len(found):
        raise ImageError(f"given more than once: {', '.join(twice[:3]) or 'some images'}")
    return sorted(found, key=natural)


def _meant(path: Path) -> list[Path]:
    if path.is_dir():
        inside = [
            p for p in path.iterdir() if p.suffix.lower() in ENDINGS and not p.name.startswith(".")
        ]
        if not inside:
            raise ImageError(f"folder {path} has no images ({' '.join(sorted(ENDINGS))})")
        return inside
    if not path.exists() and glob.has_magic(str(path)):
        matches = [Path(p) for p in glob.glob(str(path)) if Path(p).is_file()]
        if not matches:
            raise ImageError(f"no file matches {path}")
        return matches
    return [path]


def numbers_from(pattern: str, paths: Sequence[Path]) -> list[int]:
    """Shot numbers out of the names: the first group of `pattern`, or all that it matches."""
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise CCDError(f"--number-from {pattern!r} is no regular expression: {error}") from None
    owner: dict[int, Path] = {}
    for path in paths:
        match = search(path.name)
        text = match.group(1 if match.re.groups else 0) if match else None
        if text is None or not text.isdecimal():
            raise ImageError(f"{path}: --number-from {pattern!r} finds no number in its name")
        number = int(text)
        if number in owner:
            raise ImageError(
                f"{owner[number]} and {path} both have the number {number} by --number-from "
                f"{pattern!r}: let the pattern match more of the name"
            )
        owner[number] = path
    return list(owner)


def note_of_other_numbers(paths: Sequence[Path], numbers: Sequence[int]) -> str | None:
    """What to tell a user whose names carry numbers that the shots do not get."""
    for path, number in zip(paths, numbers, strict=True):
        found = _NUMBER.findall(path.stem)
        if found and int(found[-1]) != number:
            return (
                f"note: {path.name} becomes shot {number}, in natural order of the names; "
                r"--number-from '(\d+)' takes the numbers from the names"
            )
    return None
