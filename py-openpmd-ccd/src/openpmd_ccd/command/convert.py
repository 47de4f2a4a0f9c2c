"""``openpmd-ccd convert``: image files into one scan, which appears when it is complete."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CCDError, ImageError, ScanExistsError
from ..writing.ccd import CCD
from ..writing.journal import Journal, journal_path
from ..writing.safety import clean_path


class Conversion:
    """Writes images into a partial file beside `output`, and renames it at the end.

    A run that fails takes its partial file away; one that is killed leaves it, under a name that
    nobody takes for a scan, and the next run replaces it. `bad` are the images that were left
    out, with the reason.
    """

    def __init__(self, output: str, overwrite: bool, skip_bad: bool, pages: bool) -> None:
        self.path = clean_path(output)
        self.partial = self.path.with_name(f"{self.path.stem}.partial{self.path.suffix}")
        self.bad: list[tuple[Path, str]] = []
        self.count = 0
        self._overwrite, self._skip_bad, self._pages = overwrite, skip_bad, pages

    def run(
        self, paths: Sequence[Path], numbers: Sequence[int], camera: dict[str, Any],
        shown: Callable[[Iterable[Any]], Iterable[Any]],
    ) -> None:  # fmt: skip
        """Write `paths` as shots `numbers`; `shown` shows how far it is."""
        self._check_free()
        if self._pages:
            numbers = [numbers[0]]
        scan = CCD(self.partial, overwrite=True, **camera)
        done = False
        try:
            with scan:
                self._add_all(scan, paths, numbers, shown)
            if not self.count:
                raise ImageError("none of the images can be read: no scan was written")
            self._check_free()
            self._put_in_place()
            done = True
        finally:
            if not done:
                _remove(self.partial)

    def _check_free(self) -> None:
        if self.path.exists() and not self._overwrite:
            raise ScanExistsError(f"{self.path} exists already: --overwrite replaces it")
        if journal_path(self.path).exists() and not self._overwrite:
            raise ScanExistsError(
                f"{journal_path(self.path)} is left of an unfinished scan: run "
                f"'openpmd-ccd recover {self.path}'"
            )

    def _add_all(
        self, scan: CCD, paths: Sequence[Path], numbers: Sequence[int],
        shown: Callable[[Iterable[Any]], Iterable[Any]],
    ) -> None:  # fmt: skip
        following = numbers[0]
        for index, path in enumerate(shown(paths)):
            number = following if self._pages else numbers[index]
            try:
                sources = list(_pages(path)) if self._pages else [(path, None)]
                when = path.stat().st_mtime
                for source, axes in sources:
                    scan.add(number, source, time=when, axes=axes, metadata={"file": path.name})
                    number += 1
                    self.count += 1
            except (ImageError, FileNotFoundError) as error:
                if not self._skip_bad:
                    raise
                self.bad.append((path, str(error)))
                number += 1
            following = number

    def _put_in_place(self) -> None:
        journal = Journal(self.path)  # an error where another writer has the scan open
        try:
            if self.path.is_dir():
                shutil.rmtree(self.path)
            os.replace(self.partial, self.path)
        finally:
            journal.remove()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    journal_path(path).unlink(missing_ok=True)


def _pages(path: Path) -> Iterator[tuple[Any, str]]:
    """(pixels, axes) of each page."""
    from ..images.planes import decode

    if not path.exists():
        raise ImageError(f"image file {str(path)!r}: no such file")
    image = decode(path)
    colour = len(image.planes) > 1
    pixels = np.stack(list(image.planes.values()), -1) if colour else image.planes[""]
    axes = "yxc" if colour else "yx"
    pages = list(pixels) if image.axes[0] == "page" else [pixels]
    return iter([(page, axes) for page in pages])


def check_numbers(pattern: str | None, first: int | None, pages: bool) -> None:
    """An error where options contradict each other."""
    if pattern is not None and (first is not None or pages):
        raise CCDError("--number-from goes with neither --first nor --pages")
