"""Is a TIFF file whole? What it declares against what is there, before pixels are decoded.

tifffile was made to show what can be shown: where strips or pages are missing it fills up with
zeros or leaves them out, and says so to a log at best.
"""

import json
import re
import struct
from typing import Any

import numpy as np
import tifffile

from ..errors import ImageError
from .table import REMEDY

#: files that look like TIFF but have rules of their own
_OTHER_KINDS = (
    "lsm", "stk", "ndpi", "svs", "scn", "bif", "dng", "eer", "mdgel", "nih", "philips", "vista",
    "avs", "ndtiff", "qpi", "tvips", "fluoview", "sis",
)  # fmt: skip
_NONE = 1
#: number in the file -> function of imagecodecs, by way of tifffile
_LOSSLESS = {1: "none", 5: "LZW", 8: "deflate", 32773: "PackBits", 32946: "deflate",
             34925: "LZMA", 50000: "Zstandard"}  # fmt: skip
_FILL_ORDER, _SUB_IFDS, _NEW_SUBFILE = 266, 330, 254


def check_file(file: Any, size: int) -> list[Any]:
    """The pages of an open `tifffile.TiffFile` of `size` bytes: all, or an error."""
    for kind in _OTHER_KINDS:
        if getattr(file, f"is_{kind}", False):
            raise ImageError(f"TIFF of the kind {kind.upper()} is not taken: {REMEDY}")
    file.pages.useframes = False
    pages = list(file.pages)
    if not pages:
        raise ImageError("the TIFF has no image")
    for number, page in enumerate(pages):
        _check_next(file, page, pages[number + 1].offset if number + 1 < len(pages) else 0, size)
        if page.tags.get(_SUB_IFDS) is not None or (page.subfiletype or 0) & ~2:
            raise ImageError(f"TIFF with reduced images, pyramids or masks is not taken: {REMEDY}")
    declared = _declared_pages(file, pages)
    if declared is not None and declared != len(pages):
        raise ImageError(f"the TIFF declares {declared} pages and has {len(pages)}: cut off?")
    return pages


def _check_next(file: Any, page: Any, following: int, size: int) -> None:
    """An error unless the page's own words lead to the following one (0: it is the last)."""
    layout = file.tiff
    handle = file.filehandle
    handle.seek(page.offset)
    count = struct.unpack(layout.tagnoformat, handle.read(layout.tagnosize))[0]
    end = page.offset + layout.tagnosize + count * layout.tagsize
    if end + layout.offsetsize > size or count != len(list(page.tags)):
        raise ImageError("damaged TIFF: a directory of a page is cut off, or has damaged tags")
    handle.seek(end)
    found = struct.unpack(layout.offsetformat, handle.read(layout.offsetsize))[0]
    if found != following:
        raise ImageError(f"damaged TIFF: another page is said to be at {found}, of {size} bytes")


def _declared_pages(file: Any, pages: list[Any]) -> int | None:
    """How many pages the file says it has, where it says so."""
    text = pages[0].description or ""
    if file.is_ome:
        return _ome_pages(text, pages[0])
    if text.startswith("ImageJ="):
        found = re.search(r"^images=(\d+)", text, re.MULTILINE)
        return int(found[1]) if found else 1
    if text.startswith('{"shape"'):
        counts = [_shaped_pages(page) for page in pages]
        return None if None in counts else sum(map(int, filter(None, counts)))
    return None


def _ome_pages(text: str, page: Any) -> int | None:
    """Pages by an OME-TIFF's own words; None where planes are in several files."""
    if len(set(re.findall(r'FileName\s*=\s*"([^"]*)"', text))) > 1:
        return None
    images = re.findall(r"<(?:\w+:)?Pixels\b[^>]*>", text)
    total = 0
    for pixels in images:
        sizes = [re.search(rf'\bSize{axis}\s*=\s*"(\d+)"', pixels) for axis in "CTZ"]
        if any(found is None for found in sizes):
            return None
        c, t, z = (int(found[1]) for found in sizes if found)
        total += max(1, c // page.samplesperpixel) * t * z
    return total or None


def _shaped_pages(page: Any) -> int | None:
    """Pages by the shape that tifffile writes into the description of the first of several."""
    text = page.description or ""
    if not text.startswith('{"shape"'):
        return 0
    try:
        shape = json.loads(text)["shape"]
        return int(np.prod(shape, dtype=object)) // int(np.prod(page.shape, dtype=object))
    except (ValueError, KeyError, TypeError):
        return None


def check_page(page: Any, size: int) -> None:
    """An error unless all strips or tiles of a page are in the file, with all their bytes."""
    if page.compression not in _LOSSLESS:
        name = getattr(page.compression, "name", page.compression)
        raise ImageError(
            f"TIFF with compression {name} is not taken "
            f"(taken are {', '.join(dict.fromkeys(_LOSSLESS.values()))}): {REMEDY}"
        )
    if page.imagedepth != 1 or page.fillorder != 1:
        raise ImageError(f"TIFF of several layers or reversed bits is not taken: {REMEDY}")
    known = (
        {1} if page.compression == _NONE else {1, 2} | ({3} if page.dtype.kind == "f" else set())
    )
    if int(page.predictor) not in known:
        raise ImageError(
            f"TIFF of {page.dtype} with predictor {int(page.predictor)} and compression "
            f"{_LOSSLESS[page.compression]} is damaged or not taken: {REMEDY}"
        )
    segments = int(np.prod(page.chunked, dtype=object))
    offsets, counts = page.dataoffsets, page.databytecounts
    if len(offsets) != segments or len(counts) != segments:
        raise ImageError(
            f"damaged TIFF: {segments} strips or tiles expected, {len(offsets)} are there"
        )
    for number, (offset, count) in enumerate(zip(offsets, counts, strict=True)):
        if count <= 0 or offset < 8 or offset + count > size:
            raise ImageError(
                f"damaged TIFF: strip or tile {number} is {count} bytes at {offset}, of {size}"
            )
    _check_lengths(page)


def _check_lengths(page: Any) -> None:
    """An error where a strip or tile holds fewer bytes than its pixels have."""
    handle = page.parent.filehandle
    decompress = tifffile.TIFF.DECOMPRESSORS[page.compression]
    for number, (offset, count) in enumerate(
        zip(page.dataoffsets, page.databytecounts, strict=True)
    ):
        full, needed = _bytes_of(page, number)
        found = count
        if page.compression != _NONE:
            handle.seek(offset)
            found = len(decompress(handle.read(count)))
        if found not in (full, needed):
            raise ImageError(
                f"damaged TIFF: strip or tile {number} has {found} bytes of pixels, not {needed}"
            )


def _bytes_of(page: Any, number: int) -> tuple[int, int]:
    """(bytes of a whole strip or tile, of this one, which may be the last and shorter)."""
    samples = 1 if page.planarconfig == 2 else page.samplesperpixel
    if page.is_tiled:
        line = (page.tilewidth * samples * page.bitspersample + 7) // 8
        return page.tilelength * line, page.tilelength * line
    line = (page.imagewidth * samples * page.bitspersample + 7) // 8
    rows = min(page.rowsperstrip, page.imagelength)
    strips = -(-page.imagelength // rows)
    last = page.imagelength - (strips - 1) * rows
    return rows * line, (last if number % strips == strips - 1 else rows) * line
