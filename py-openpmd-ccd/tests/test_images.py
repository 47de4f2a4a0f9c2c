"""Image files and objects, against tifffile, Pillow, pypng and the arrays they were made of."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from conftest import by_api, frame
from openpmd_ccd import CCD, ImageError
from PIL import Image


def stored(path, source, **options):
    """(pixels with components last, metadata, mesh attributes) of a scan with one image."""
    with CCD(path) as scan:
        scan.add(0, source, **options)
    shot = by_api(path)[0]
    planes = shot["planes"]
    if "" in planes:
        return planes[""], shot["metadata"], shot["mesh"]
    order = [c for c in ("r", "g", "b", "l", "a") if c in planes]
    assert set(order) == set(planes)
    return np.stack([planes[c] for c in order], -1), shot["metadata"], shot["mesh"]


def png16(pixels, filters, extra=b""):
    """A 16-bit PNG whose rows use the given filters, by the PNG standard's definitions."""
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    rows = pixels.astype(">u2").view(np.uint8).reshape(height, -1).astype(int)
    step, raw = 2 * channels, b""
    for y in range(height):
        kind, row = filters[y % len(filters)], rows[y]
        up = rows[y - 1] if y else np.zeros_like(row)
        out = bytearray([kind])
        for x in range(row.size):
            a = row[x - step] if x >= step else 0
            b, c = up[x], up[x - step] if x >= step else 0
            distance = [abs(b - c), abs(a - c), abs(a + b - 2 * c)]
            paeth = (a, b, c)[distance.index(min(distance))]
            out.append(int(row[x] - (0, a, b, (a + b) // 2, paeth)[kind]) & 255)
        raw += bytes(out)
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + head + (chunk(b"sBIT", extra) if extra else b"")
        + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    )  # fmt: skip


def by_pypng(data):
    """Pixels as the PNG library pypng reads them."""
    png = pytest.importorskip("png")
    width, height, rows, _ = png.Reader(bytes=data).read()
    pixels = np.array([list(row) for row in rows])
    return pixels.reshape(height, width, -1)


@pytest.mark.parametrize("filters", [[0], [1], [2], [3], [4], [4, 3, 2, 1, 0]])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_of_16_bits(filters, channels, scan_path):
    pixels = np.random.default_rng(channels).integers(0, 65536, (9, 13, channels)).astype("u2")
    data = png16(pixels if channels > 1 else pixels[..., 0], filters)
    np.testing.assert_array_equal(by_pypng(data), pixels)
    found = stored(scan_path, data)[0].reshape(pixels.shape)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "F"])
def test_pil_images(mode, scan_path):
    picture = Image.fromarray(frame(0, (6, 7), "u1")).convert(mode if mode != "I;16" else "L")
    if mode == "I;16":
        picture = Image.fromarray(frame(0, (6, 7)))
    expected = np.asarray(picture.convert("RGB") if mode == "P" else picture)
    np.testing.assert_array_equal(stored(scan_path, picture)[0], expected)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA"])
def test_png_of_8_bits(mode, scan_path, tmp_path):
    picture = Image.fromarray(frame(0, (6, 7), "u1")).convert(mode)
    picture.save(tmp_path / "shot.png")
    expected = np.asarray(picture.convert("RGB") if mode == "P" else picture)
    np.testing.assert_array_equal(stored(scan_path, tmp_path / "shot.png")[0], expected)


@pytest.mark.parametrize("bits", [2, 4])
def test_png_of_few_bits(bits, scan_path):
    png = pytest.importorskip("png")
    pixels = np.random.default_rng(bits).integers(0, 2**bits, (5, 6)).astype("u1")
    buffer = io.BytesIO()
    png.Writer(6, 5, greyscale=True, bitdepth=bits).write(buffer, pixels.tolist())
    found, _, mesh = stored(scan_path, buffer.getvalue())
    np.testing.assert_array_equal(found, pixels)
    assert mesh["bit_depth_readout"] == bits


@pytest.mark.parametrize("channels", [1, 3])
def test_significant_bits_are_shifted_down(channels, scan_path):
    counts = np.random.default_rng(1).integers(0, 4096, (5, 6, channels)).astype("u2")
    counts = counts[..., 0] if channels == 1 else counts
    data = png16(counts << 4 | counts >> 8, [0], extra=bytes([12] * channels))
    found, _, mesh = stored(scan_path, data)
    np.testing.assert_array_equal(found, counts)
    assert mesh["bit_depth_readout"] == 12


def test_png_texts_become_metadata(scan_path, tmp_path):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Exposure Time", "0.001 s")
    info.add_text("Comment", "packed", zip=True)
    info.add_itxt("Title", "Büschel", zip=True)
    Image.fromarray(frame(0, (6, 7), "u1")).save(tmp_path / "t.png", pnginfo=info)
    metadata = stored(scan_path, tmp_path / "t.png")[1]
    assert metadata["png_Exposure_Time"] == "0.001 s"
    assert metadata["png_Comment"] == "packed"
    assert metadata["png_Title"] == "Büschel"


TIFF_TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]


@pytest.mark.parametrize("dtype", TIFF_TYPES)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 3), (4, 6, 7)])
def test_tiff(dtype, order, shape, scan_path, tmp_path):
    pixels = frame(0, shape, order + dtype)
    kind = "rgb" if shape[-1] == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "t.tif", pixels, photometric=kind, byteorder=order)
    found = stored(scan_path, tmp_path / "t.tif")[0]
    expected = tifffile.imread(tmp_path / "t.tif")
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found, pixels)
    assert found.dtype == (np.float32 if dtype == "f2" else np.dtype(dtype))


@pytest.mark.parametrize(
    "options",
    [
        {"planarconfig": "separate", "photometric": "rgb"},
        {"photometric": "rgb", "tile": (16, 16)},
        {"photometric": "rgb", "compression": "zlib"},
        {"photometric": "rgb", "bigtiff": True},
    ],
)
def test_tiff_layouts(options, scan_path, tmp_path):
    pixels = frame(0, (20, 30, 3))
    data = np.moveaxis(pixels, -1, 0) if "planarconfig" in options else pixels
    tifffile.imwrite(tmp_path / "t.tif", data, **options)
    np.testing.assert_array_equal(stored(scan_path, tmp_path / "t.tif")[0], pixels)


def test_tiff_pages_of_different_shapes_are_refused(scan_path, tmp_path):
    with tifffile.TiffWriter(tmp_path / "t.tif") as file:
        file.write(frame(0, (4, 5)))
        file.write(frame(0, (6, 7)))
    with CCD(scan_path) as scan, pytest.raises(ImageError, match="pages differ"):
        scan.add(0, tmp_path / "t.tif")


def test_every_way_to_hand_over_an_image(scan_path, tmp_path):
    pixels = frame(0, (6, 7))
    path = tmp_path / "shot.png"
    Image.fromarray(pixels).save(path)
    data = path.read_bytes()
    stream = io.BytesIO(data)
    with CCD(scan_path) as scan, path.open("rb") as file:
        sources = [
            str(path), path, data, bytearray(data), stream, stream, file, Image.open(path), pixels,
            pixels.tolist(), tuple(map(tuple, pixels.tolist())), memoryview(pixels), pixels[:, ::1],
            np.asfortranarray(pixels), pixels[::-1][::-1], list(pixels),
        ]  # fmt: skip
        for number, source in enumerate(sources):
            scan.add(number, source)
        scan.add(99, None, path)
        scan.add(100, image_path=path)
        scan.add(101, [], str(path))
        scan.add(102, [[]], path)
        scan.add(103, np.empty((0, 0)), path)
        scan.add(104, "", path)
    shots = by_api(scan_path)
    assert len(shots) == len(sources) + 6
    for shot in shots.values():
        np.testing.assert_array_equal(shot["planes"][""], pixels)


@pytest.mark.parametrize("format", ["bmp", "pgm", "gif"])
def test_other_formats(format, scan_path, tmp_path):
    picture = Image.fromarray(frame(0, (6, 7), "u1"))
    picture.save(tmp_path / f"t.{format}")
    with Image.open(tmp_path / f"t.{format}") as opened:
        expected = np.asarray(opened.convert("RGB") if opened.mode == "P" else opened)
    np.testing.assert_array_equal(stored(scan_path, tmp_path / f"t.{format}")[0], expected)


@pytest.mark.parametrize(
    ("rows", "dtype"),
    [
        ([[0, 65535]], "u2"),
        ([[0, 65536]], "i4"),
        ([[-1, 2**31 - 1]], "i4"),
        ([[0, 2**31]], "u4"),
        ([[-1, 2**31]], "i8"),
        ([[0, 2**63]], "u8"),
        ([[0, 0.5]], "f8"),
        ([[True, False]], "u2"),
        ([[1, 2], [3, -4]], "i4"),
        ([[1.5, float("nan")]], "f8"),
    ],
)
def test_lists_get_the_first_type_that_fits(rows, dtype, scan_path):
    found = stored(scan_path, rows)[0]
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found, np.array(rows, dtype))


def test_dtype_for_lists(scan_path):
    with CCD(scan_path, dtype="f4") as scan:
        scan.add(0, [[1, 2], [3, 4]])
    assert by_api(scan_path)[0]["planes"][""].dtype == np.float32


def test_nested_list_of_colours(scan_path):
    rows = frame(0, (4, 5, 3)).tolist()
    np.testing.assert_array_equal(stored(scan_path, rows)[0], np.array(rows))


@pytest.mark.parametrize(
    ("axes", "shape"),
    [("pyx", (4, 5, 3)), ("yxc", (4, 5, 2)), ("yx", (4, 5)), ("pyxc", (2, 4, 5, 3))],
)
def test_axes_settle_what_a_shape_leaves_open(axes, shape, scan_path):
    pixels = frame(0, shape)
    found = stored(scan_path, pixels, axes=axes)[0]
    np.testing.assert_array_equal(found, pixels)


BAD = {
    "nothing": (None, "image is empty"),
    "empty": (np.empty((0, 5)), "image is empty"),
    "empty list": ([], "image is empty"),
    "empty rows": ([[], []], "image is empty"),
    "empty text": ("", "image is empty"),
    "one dimension": (np.zeros(5), "not 1 of shape"),
    "list of numbers": ([1, 2, 3], "one dimension only"),
    "five dimensions": (np.zeros((1, 1, 1, 2, 3)), "not 5 of shape"),
    "ragged": ([[1, 2], [3]], "differ in length"),
    "text in list": ([["a", "b"]], "no image"),
    "complex": (np.zeros((2, 2), complex), "integers or floats"),
    "objects": (np.array([[None, 1]], object), "integers or floats"),
    "no file": ("nope.png", "nope.png"),
    "not an image": (b"this is no image", "cannot be read as an image"),
    "cut PNG": (png16(frame(0, (9, 9, 3)), [0])[:60], "cannot be read|damaged"),
    "cut TIFF": (b"II*\0\x08\0\0\0", "cannot be read|no image"),
    "an object": (object(), "image|integers"),
    "a number": (3, "not 0 of shape"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_images_are_refused_and_harmless(name, scan_path):
    source, message = BAD[name]
    with CCD(scan_path) as scan:
        scan.add(0, frame(0))
        with pytest.raises(ImageError, match=message) as caught:
            scan.add(1, source)
        assert caught.value.code == 5004
        scan.add(1, frame(1))
    assert sorted(by_api(scan_path)) == [0, 1]


def test_wrong_axes_are_refused(scan_path):
    with CCD(scan_path) as scan, pytest.raises(ImageError, match="axes 'yxc' do not describe"):
        scan.add(0, frame(0), axes="yxc")
