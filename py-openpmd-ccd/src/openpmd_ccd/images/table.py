"""Which image files are taken, and as what: the readers go by this table, and the docs show it.

What is not in it is refused by name. So every row can be compared with an independent encoder,
and no program's idea of how to show a picture gets between the camera and the file.
"""

from typing import NamedTuple

from ..errors import ImageError

#: what to do with an image that is not taken
REMEDY = "save it as TIFF or PNG without loss, or read it yourself and give the array"

_UNSIGNED, _SIGNED = ("uint8", "uint16", "uint32", "uint64"), ("int8", "int16", "int32", "int64")
_FLOATS = ("float16", "float32", "float64")
_NUMBERS = (*_UNSIGNED, *_SIGNED, *_FLOATS)
_PACKED = ("1 bit", "2 bits", "4 bits", "10 bits", "12 bits", "14 bits")


class Row(NamedTuple):
    """Images of one format and mode: the types of a sample in the file, and what is stored."""

    format: str
    mode: str
    samples: tuple[str, ...]
    stored: str


_SAME = "the samples as they are"
_SBIT = f"{_SAME}; with `sBIT` see below"

TAKEN = (
    Row("PNG", "grey", ("1 bit", "2 bits", "4 bits"), "the samples as uint8, not scaled"),
    Row("PNG", "grey", ("uint8", "uint16"), _SBIT),
    Row("PNG", "grey and alpha", ("uint8", "uint16"), f"l, a: {_SBIT}"),
    Row("PNG", "RGB", ("uint8", "uint16"), f"r, g, b: {_SBIT}"),
    Row("PNG", "RGB and alpha", ("uint8", "uint16"), f"r, g, b, a: {_SBIT}"),
    Row("PNG", "palette", ("1 bit", "2 bits", "4 bits", "uint8"), "colours of the palette, uint8"),
    Row("TIFF", "grey", _NUMBERS, f"{_SAME}, also those of white-is-zero; float16 as float32"),
    Row("TIFF", "grey", _PACKED, "the packed samples as uint8 or uint16, not scaled"),
    Row("TIFF", "colour filter array", ("uint8", "uint16"), f"{_SAME}; the pattern as metadata"),
    Row("TIFF", "grey and alpha", _NUMBERS, f"l, a: {_SAME}"),
    Row("TIFF", "RGB", _NUMBERS, f"r, g, b: {_SAME}"),
    Row("TIFF", "RGB and alpha", _NUMBERS, f"r, g, b, a: {_SAME}"),
    Row("TIFF", "palette", ("uint8",), "colours of the palette, uint16"),
    Row("FITS", "primary image", ("uint8", "int16", "int32", "int64"), _SAME),
    Row("FITS", "primary image", ("float32", "float64"), _SAME),
    Row(
        "FITS", "primary image with BZERO", ("int8", "uint16", "uint32", "uint64"),
        "BZERO of the other sign added, exactly",
    ),
    Row("PGM", "P5 (binary), P2 (text)", ("uint8", "uint16"), f"{_SAME}, of any maxval"),
    Row("PPM", "P6 (binary), P3 (text)", ("uint8", "uint16"), "r, g, b: as PGM"),
    Row("NumPy", ".npy", _NUMBERS, "as the array would be"),
    Row("BMP", "palette", ("uint8",), "the samples if the palette is grey, else its colours"),
    Row("BMP", "RGB", ("uint8",), f"r, g, b: {_SAME}"),
    Row("GIF", "palette", ("uint8",), "one frame: the samples if it is grey, else its colours"),
    Row("JPEG", "grey", ("uint8",), "one picture of 8 bits, as libjpeg-turbo decodes it"),
    Row("JPEG", "YCbCr", ("uint8",), "r, g, b: as libjpeg-turbo decodes it"),
    Row("JPEG", "RGB", ("uint8",), "r, g, b: as libjpeg-turbo decodes it"),
    Row(
        "PIL image", "1, L, LA, I, I;16, F, RGB, RGBA", (),
        "as its file if that is still there, else as np.asarray gives it",
    ),
    Row("PIL image", "P, PA", (), "colours of the palette, uint8"),
)  # fmt: skip

REFUSED = (
    ("PNG", "animated (APNG)", "save each frame as an image of its own"),
    ("TIFF", "CMYK, YCbCr, CIELab, ICCLab, LogL, LogLuv, mask", "save as grey or RGB"),
    (
        "TIFF", "compressed by JPEG, JPEG 2000, WebP, JPEG XL, LERC, CCITT and others",
        "save without loss: none, LZW, deflate, PackBits, LZMA, Zstandard",
    ),
    (
        "TIFF", "pages that differ or are cut off, pyramids, thumbnails, masks, and fewer pages "
        "than OME-XML, ImageJ or tifffile declare", "give the whole file, or each page as an array",
    ),
    ("TIFF", "LSM, STK, NDPI, SVS, SCN, DNG, EER and others like these", "export as plain TIFF"),
    (
        "FITS", "BSCALE, other BZERO, blank pixels (BLANK), extensions, compressed images",
        "scale it yourself and give the array",
    ),
    ("PBM, PAM, PFM", "all", "save as PGM, PPM or TIFF"),
    ("BMP", "1, 4, 16 or 32 bits, RLE", "save as PNG"),
    ("GIF", "several frames, transparency, a frame that is not the whole picture", "save as PNG"),
    ("JPEG", "12 bits, lossless, CMYK, YCCK, several pictures (MPO)", "save as TIFF or PNG"),
    (
        "PIL image", "CMYK, YCbCr, LAB, HSV, La, RGBa, RGBX; several frames",
        "convert it, or give the array",
    ),
    ("WebP, JPEG 2000, JPEG XL, HEIF, OpenEXR, TGA, PSD, DICOM, SIF, SPE, ...", "all", REMEDY),
)  # fmt: skip

#: what other files begin with: (offset, bytes, name)
_OTHERS = (
    (0, b"RIFF", "WebP or another RIFF file"),
    (0, b"\0\0\0\x0cjP  \r\n", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"ftyp", "HEIF, AVIF or a video"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"8BPS", "Photoshop"),
    (128, b"DICM", "DICOM"),
    (0, b"Andor Technology", "Andor SIF"),
    (0, b"P1", "PBM"),
    (0, b"P4", "PBM"),
    (0, b"P7", "PAM"),
    (0, b"PF", "PFM"),
    (0, b"Pf", "PFM"),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5"),
    (0, b"PK\x03\x04", "ZIP (.npz?)"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"II\xbc\x01", "JPEG XR"),
    (0, b"IIU\0", "camera raw (RW2)"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"SIMPLE", "FITS with an odd header"),
    (0, b"%PDF", "PDF"),
)


def take(format: str, mode: str, sample: str) -> Row:
    """The row of the table for an image, or an `ImageError` that says what is taken instead."""
    rows = [row for row in TAKEN if row.format == format]
    for row in rows:
        if row.mode == mode and sample in row.samples:
            return row
    samples = [s for row in rows if row.mode == mode for s in row.samples]
    if samples:
        known = f"{mode} is taken of {', '.join(samples)}"
    else:
        known = f"taken are {', '.join(dict.fromkeys(row.mode for row in rows))}"
    raise ImageError(f"{format} of {sample}, {mode}, is not taken ({known}): {REMEDY}")


def unknown(head: bytes) -> ImageError:
    """The error for a file that begins with `head` and is of no format that is taken."""
    formats = ", ".join(dict.fromkeys(row.format for row in TAKEN if row.samples))
    for offset, magic, name in _OTHERS:
        if head[offset : offset + len(magic)] == magic:
            return ImageError(f"{name} is not taken (taken are {formats}): {REMEDY}")
    return ImageError(
        f"cannot be read as an image: it begins with {head[:8]!r}, as none of {formats} does: "
        f"{REMEDY}"
    )


def markdown() -> list[str]:
    """The lines of the table in the docs."""
    lines = ["| format | mode | samples in the file | stored |", "|---|---|---|---|"]
    for row in TAKEN:
        lines.append(f"| {row.format} | {row.mode} | {', '.join(row.samples)} | {row.stored} |")
    lines += ["", "| refused | what | what to do |", "|---|---|---|"]
    lines += [f"| {format} | {what} | {advice} |" for format, what, advice in REFUSED]
    return lines
