"""Image files that are cut off or damaged: refused, or what another decoder makes of them."""

import io

import cv2
import image_files
import imagecodecs
import numpy as np
import pytest
from openpmd_ccd.errors import CCDError
from openpmd_ccd.images.planes import decode
from PIL import Image

SAMPLES = image_files.samples()
#: (sample, bytes of its header, which other decoder reads it)
KINDS = {
    "PNG grey 16 False": (60, "opencv"),
    "PNG grey 4 False": (60, "pillow"),
    "PNG 3 channels 16 True": (60, "opencv"),
    "PNG palette": (100, "pillow"),
    "TIFF OpenCV grey": (None, "opencv"),
    "TIFF tiff_lzw": (None, "opencv"),
    "TIFF RGB tiff_adobe_deflate": (None, "opencv"),
    "TIFF packbits": (None, "opencv"),
    "TIFF grey u2<": (None, "opencv"),
    "TIFF pages": (None, "opencv"),
    "FITS u2": (640, "hand"),
    "FITS f4": (640, "hand"),
    "PGM OpenCV 8": (20, "opencv"),
    "PGM 4095 False": (30, "hand"),
    "PPM 65535 False": (20, "opencv"),
    "PGM 1023 True": (40, "hand"),
    "NumPy u2": (128, "numpy"),
    "BMP grey": (54, "opencv"),
    "BMP RGB": (54, "opencv"),
    "BMP palette": (118, "opencv"),
    "GIF palette": (61, "pillow"),
    "JPEG grey": (None, "imagecodecs"),
    "JPEG YCbCr": (None, "imagecodecs"),
    "JPEG progressive": (None, "imagecodecs"),
}


def sample(name):
    if name == "TIFF pages":
        pages = image_files.counts((4, 9, 11), "u2")
        buffer = io.BytesIO()
        first, *others = map(Image.fromarray, pages)
        first.save(buffer, "TIFF", save_all=True, append_images=others)
        return buffer.getvalue(), pages
    if name == "TIFF OpenCV grey":
        pixels = image_files.counts((11, 13), "u2")
        return image_files.by_opencv(".tiff", pixels), pixels
    return SAMPLES[name]


def stored(data):
    """The pixels as an image would be stored, or None where it is refused."""
    try:
        planes = list(decode(data).planes.values())
    except CCDError:
        return None
    return planes[0] if len(planes) == 1 else np.stack(planes, -1)


def same(found, expected):
    if expected is None:
        return False
    if expected.ndim == 3 and found.ndim == 2:  # OpenCV makes colours of every palette
        expected = expected[..., 0]
    return found.shape == expected.shape and np.array_equal(found, expected, equal_nan=True)


def by_another(data, decoder):
    """Pixels by a decoder that has nothing to do with ours; None where it has none."""
    try:
        if decoder == "opencv":
            _, pages = cv2.imdecodemulti(np.frombuffer(data, "u1"), cv2.IMREAD_UNCHANGED)
            pages = [p if p.ndim == 2 else p[..., [2, 1, 0, 3][: p.shape[2]]] for p in pages]
            return pages[0] if len(pages) == 1 else np.stack(pages)
        if decoder == "imagecodecs":
            return imagecodecs.jpeg8_decode(data)
        if decoder == "numpy":
            return np.load(io.BytesIO(data), allow_pickle=False)
        if decoder == "pillow":
            picture = Image.open(io.BytesIO(data))
            pixels = np.asarray(picture.convert("RGB") if picture.mode == "P" else picture)
            return pixels >> 4 if picture.format == "PNG" and picture.mode == "L" else pixels
    except Exception:
        return None
    return None


@pytest.mark.parametrize("name", KINDS)
def test_a_file_cut_off_anywhere_is_refused_or_whole(name):
    data, pixels = sample(name)
    assert same(stored(data), pixels)
    for place in sorted(set(np.linspace(0, len(data) - 1, 200).astype(int))):
        found = stored(data[:place])
        wrong = found is not None and not same(found, pixels)
        assert not wrong, f"cut at {place} of {len(data)}: stored as {found.shape}"


def _header(name, data):
    """Places of the bytes that are no pixels."""
    size, _ = KINDS[name]
    if size is not None:
        return range(min(size, len(data)))
    if name.startswith("JPEG"):
        return range(data.rfind(b"\xff\xda") + 10)
    order = "little" if data[:2] == b"II" else "big"
    start = int.from_bytes(data[4:8], order)
    entries = int.from_bytes(data[start : start + 2], order)
    return [*range(8), *range(start, start + 2 + 12 * entries + 4)]


#: OpenCV knows no float16, which a changed sample format makes of uint16; and no other decoder
#: here reads FITS, or PGM of any maxval without scaling
NO_OTHER = (
    "TIFF OpenCV grey", "TIFF grey u2<", "FITS u2", "FITS f4", "PGM 1023 True", "PGM 4095 False",
)  # fmt: skip


@pytest.mark.parametrize("name", [name for name in KINDS if name not in NO_OTHER])
def test_a_changed_byte_of_the_header_is_refused_or_means_the_same_to_others(name):
    data, pixels = sample(name)
    decoder = KINDS[name][1]
    for place in _header(name, data):
        for change in (1, 2, 0x10, 0x80, 0xFF):
            damaged = bytearray(data)
            damaged[place] ^= change
            found = stored(bytes(damaged))
            if found is None or same(found, pixels):
                continue
            other = by_another(bytes(damaged), decoder)
            assert same(found, other), f"byte {place} ^ {change}: {found.shape} {found.dtype}"
