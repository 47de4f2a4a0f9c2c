"""Every row of the table of images against files of independent encoders, and what is refused."""

import io
from pathlib import Path

import cv2
import image_files
import imagecodecs
import numpy as np
import pytest
import tifffile
from openpmd_ccd import ImageError
from openpmd_ccd.images import table
from openpmd_ccd.images.planes import decode
from PIL import Image, ImageOps

SAMPLES = image_files.samples()


def pixels_of(source, **options):
    """The planes of an image with components last."""
    planes = list(decode(source, **options).planes.values())
    return planes[0] if len(planes) == 1 else np.stack(planes, -1)


@pytest.mark.parametrize("name", SAMPLES)
def test_pixels_are_those_of_the_encoder(name):
    data, pixels = SAMPLES[name]
    found = pixels_of(data)
    np.testing.assert_array_equal(found, pixels)
    if "packed" not in name and not name.startswith(("PGM", "PPM")):
        expected = np.dtype("f4") if pixels.dtype == np.float16 else pixels.dtype
        assert found.dtype == expected


def test_every_row_has_a_sample(monkeypatch):
    asked = set()
    before = table.take

    def take(format, mode, sample):
        row = before(format, mode, sample)
        asked.add((row, sample))
        return row

    for module in ("png", "tiff", "fits", "pnm", "bmp", "gif", "jpeg", "files"):
        monkeypatch.setattr(f"openpmd_ccd.images.{module}.take", take)
    for data, _ in SAMPLES.values():
        decode(data)
    wanted = {(row, sample) for row in table.TAKEN for sample in row.samples}
    # the few types of a format that the samples leave out, each like its neighbours
    left_out = {("NumPy", s) for s in ("uint32", "int8", "int16", "int64", "float16")}
    left_out |= {("PNG", s) for s in ("1 bit", "2 bits", "uint8")} | {("TIFF", "uint8")}
    left_out |= {("JPEG", "uint8")}
    missing = {(row.format, row.mode, s) for row, s in wanted - asked}
    assert {(f, s) for f, _, s in missing} <= left_out, missing


def test_the_docs_have_the_table():
    page = Path(__file__).parents[2] / "docs" / "openpmd-ccd.md"
    if not page.exists():
        pytest.skip("not in a checkout of the whole project")
    text = page.read_text(encoding="utf-8")
    assert "\n".join(table.markdown()) in text


def _ways(path):
    data = path.read_bytes()
    yield "path", path
    yield "text", str(path)
    yield "bytes", data
    yield "stream", io.BytesIO(data)
    yield "file", path.open("rb")
    yield "PIL image", Image.open(path)
    loaded = Image.open(path)
    loaded.load()
    yield "loaded PIL image", loaded
    yield "PIL image of a stream", Image.open(io.BytesIO(data))


WAYS = (
    "PNG grey 16 False", "PNG 3 channels 16 True", "PNG grey 4 False", "TIFF grey u2<",
    "JPEG YCbCr", "BMP grey", "PGM 255 False",
)  # fmt: skip


@pytest.mark.parametrize("name", WAYS)
def test_the_same_numbers_however_an_image_is_handed_over(name, tmp_path):
    data, pixels = SAMPLES[name]
    path = tmp_path / "shot"
    path.write_bytes(data)
    for way, source in _ways(path):
        np.testing.assert_array_equal(pixels_of(source), pixels, err_msg=way)
    np.testing.assert_array_equal(pixels_of(pixels), pixels)


def test_significant_bits_by_every_way(tmp_path):
    counts = image_files.counts((5, 6), "u2", 511)
    path = tmp_path / "shot.png"
    path.write_bytes(with_sbit(counts << 7 | counts >> 2, [9]))
    for way, source in _ways(path):
        np.testing.assert_array_equal(pixels_of(source), counts, err_msg=way)


def test_a_picture_that_was_drawn_into_is_taken_as_it_is(tmp_path):
    path = tmp_path / "shot.png"
    path.write_bytes(SAMPLES["PNG OpenCV grey 8"][0])
    picture = Image.open(path)
    picture.putpixel((3, 2), 77)
    assert pixels_of(picture)[2, 3] == 77


def with_sbit(pixels, bits):
    """A 16-bit PNG by OpenCV with sBIT behind its header."""
    data = image_files.by_opencv(".png", pixels)
    return data[:33] + _chunk(b"sBIT", bytes(bits)) + data[33:]


def _chunk(kind, body):
    import zlib

    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def _repeated(counts, bits):
    """Counts of some bits, scaled up to 16 by repeating them below."""
    text = [(f"{int(c):0{bits}b}" * 16)[:16] for c in counts.ravel()]
    return np.array([int(t, 2) for t in text], "u2").reshape(counts.shape)


@pytest.mark.parametrize("bits", [1, 2, 5, 8, 9, 10, 12, 14, 15])
@pytest.mark.parametrize("way", ["zeros", "repeated", "nearest"])
def test_counts_that_were_scaled_up_are_counts_again(bits, way):
    counts = image_files.counts((9, 11), "u2", 2**bits - 1)
    scaled = {
        "zeros": counts << (16 - bits),
        "repeated": _repeated(counts, bits),
        "nearest": np.floor(counts * 65535.0 / (2**bits - 1) + 0.5).astype("u2"),
    }[way]
    image = decode(with_sbit(scaled, [bits]))
    np.testing.assert_array_equal(image.planes[""], counts)
    assert image.bit_depth == bits
    assert "png_sBIT" not in image.metadata


@pytest.mark.parametrize(
    ("pixels", "bits", "depth"),
    [
        ([[0, 1, 300], [4660, 65534, 65535]], 8, None),
        ([[0, 1, 300], [2047, 4000, 4095]], 12, 12),
        ([[0, 16, 0x1234]], 12, None),
        ([[1, 2]], 0, None),
        ([[1, 2]], 17, None),
    ],
)
def test_samples_that_would_lose_bits_are_kept_and_it_is_said(pixels, bits, depth):
    image = decode(with_sbit(np.array(pixels, "u2"), [bits]))
    np.testing.assert_array_equal(image.planes[""], pixels)
    assert image.bit_depth == depth
    assert "kept as stored" in image.metadata["png_sBIT"]


def test_one_channel_that_would_lose_bits_keeps_all():
    counts = image_files.counts((4, 5, 3), "u2", 4095)
    scaled = counts << 4
    scaled[0, 0, 2] |= 1
    found = pixels_of(with_sbit(scaled, [12, 12, 12]))
    np.testing.assert_array_equal(found, scaled)


def _saved(picture, format, **options):
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def _frames(format, count=3, mode="L", **options):
    frames = [
        Image.new(mode, (8, 8), 60 * i + 10 if mode == "L" else (60 * i,) * 3) for i in range(count)
    ]
    return _saved(frames[0], format, save_all=True, append_images=frames[1:], **options)


def _ome(declared, own):
    text = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels DimensionOrder="XYZCT" ID="Pixels:0" SizeC="1" '
        f'SizeT="{declared}"'
        ' SizeX="5" SizeY="4" SizeZ="1" Type="uint16"><TiffData/></Pixels></Image></OME>'
    )
    buffer = io.BytesIO()
    pages = image_files.counts((own, 4, 5), "u2")
    with tifffile.TiffWriter(buffer) as file:
        for i, page in enumerate(pages):
            file.write(page, description=text if i == 0 else None, metadata=None, contiguous=False)
    return buffer.getvalue()


def _by_tifffile(pixels, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


GREY, RGB = image_files.counts((8, 9), "u1"), image_files.counts((8, 9, 3), "u1")
NO_STRIPS = image_files.tiff(image_files.counts((8, 9), "u2"), rows=4)

REFUSED = {
    "GIF of frames": (_frames("GIF"), "3 frames"),
    "APNG": (_frames("PNG"), "animated"),
    "MPO": (_frames("MPO", mode="RGB"), "several pictures"),
    "WebP of frames": (_frames("WEBP", mode="RGB", lossless=True), "WebP"),
    "WebP": (_saved(Image.fromarray(RGB), "WEBP", lossless=True), "WebP"),
    "JPEG 2000": (_saved(Image.fromarray(RGB), "JPEG2000"), "JPEG 2000"),
    "CMYK JPEG": (_saved(Image.fromarray(RGB).convert("CMYK"), "JPEG"), "4 components"),
    "JPEG of 12 bits": (
        imagecodecs.jpeg8_encode(image_files.counts((16, 16), "u2", 4095), bitspersample=12),
        "12 bits",
    ),
    "CMYK TIFF": (_saved(Image.fromarray(RGB).convert("CMYK"), "TIFF"), "SEPARATED"),
    "YCbCr TIFF": (_saved(Image.fromarray(RGB).convert("YCbCr"), "TIFF"), "YCBCR"),
    "Lab TIFF": (_saved(Image.fromarray(RGB).convert("LAB"), "TIFF"), "CIELAB"),
    "JPEG in TIFF": (_by_tifffile(GREY, compression="jpeg"), "compression JPEG"),
    "OME-TIFF of too few pages": (_ome(3, 2), "declares 3 pages and has 2"),
    "TIFF with a thumbnail": (
        image_files.tiff(GREY, more=[(254, 4, [1])]), "reduced images",
    ),
    "TIFF strip without bytes": (
        NO_STRIPS.replace(
            (72).to_bytes(4, "little") * 2, (72).to_bytes(4, "little") + bytes(4)
        ),
        "strip or tile 1 is 0 bytes",
    ),
    "FITS scaled": (image_files.fits(GREY, BSCALE=0.5), "BSCALE 0.5"),
    "FITS with another BZERO": (image_files.fits(GREY, BZERO=7), "BZERO 7"),
    "FITS with blanks": (image_files.fits(image_files.counts((8, 9), "i2", 9), BLANK=3), "BLANK 3"),
    "two PGM": (image_files.pnm(GREY, 255) * 2, "bytes of pixels expected"),
    "PGM above its maxval": (image_files.pnm(np.array([[5, 300]]), 299), "above its maxval"),
    "PBM": (b"P4\n8 1\n\xff", "PBM"),
    "PFM": (image_files.by_opencv(".pfm", image_files.counts((4, 5), "f4")), "PFM"),
    "BMP of 32 bits": (
        image_files.by_opencv(".bmp", image_files.counts((4, 5, 4), "u1")), "32 bits",
    ),
    "BMP of 1 bit": (_saved(Image.fromarray(GREY).convert("1"), "BMP"), "1 bit"),
    "GIF with transparency": (
        _saved(Image.fromarray(GREY), "GIF", transparency=int(GREY[0, 0])), "transparency",
    ),
    "two arrays": (SAMPLES["NumPy u1"][0] * 2, "more than one array"),
    "CMYK PIL image": (Image.fromarray(RGB).convert("CMYK"), "mode CMYK"),
    "HSV PIL image": (Image.fromarray(RGB).convert("HSV"), "mode HSV"),
    "TGA": (_saved(Image.fromarray(GREY), "TGA"), "cannot be read as an image"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_in_the_table_is_refused_by_name(name):
    data, message = REFUSED[name]
    with pytest.raises(ImageError, match=message):
        decode(data)


def test_only_the_pages_of_this_file_are_taken(tmp_path):
    text = _ome(2, 1).split(b"<?xml")[1].split(b"</OME>")[0]
    xml = (b"<?xml" + text + b"</OME>").decode().replace(
        "<TiffData/>",
        "".join(
            f'<TiffData FirstT="{t}" IFD="0" PlaneCount="1"><UUID FileName="{t}.ome.tif">'
            f"urn:uuid:{t}</UUID></TiffData>" for t in range(2)
        ),
    )  # fmt: skip
    pages = image_files.counts((2, 4, 5), "u2")
    for t, page in enumerate(pages):
        tifffile.imwrite(tmp_path / f"{t}.ome.tif", page, description=xml, metadata=None)
    for t, page in enumerate(pages):
        np.testing.assert_array_equal(pixels_of(tmp_path / f"{t}.ome.tif"), page)
    (tmp_path / "1.ome.tif").unlink()
    np.testing.assert_array_equal(pixels_of(tmp_path / "0.ome.tif"), pages[0])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_orientation_is_recorded_and_applied_only_on_request(orientation, format):
    picture = Image.fromarray(image_files._smooth())
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = _saved(picture, format, exif=exif)
    stored = pixels_of(data)
    upright = ImageOps.exif_transpose  # Pillow turns TIFF by itself
    turned = np.asarray(upright(Image.open(io.BytesIO(data))))
    plain = _saved(picture, format)
    plain = np.asarray(Image.open(io.BytesIO(plain)))
    found = decode(data).metadata.get("exif_Orientation", 1)
    assert found == orientation
    np.testing.assert_array_equal(stored, plain)
    np.testing.assert_array_equal(pixels_of(data, orientation="apply"), turned)


def test_bayer_pattern_and_black_level_are_recorded():
    more = [(33421, 3, [2, 2]), (33422, 1, [0, 1, 1, 2]), (50714, 3, [64]), (50717, 3, [4095])]
    image = decode(image_files.tiff(image_files.counts((8, 8), "u2"), photometric=32803, more=more))
    assert image.metadata["tiff_CFAPattern"] == "0 1 1 2"
    assert image.metadata["tiff_CFARepeatPatternDim"] == "2 2"
    assert image.metadata["tiff_BlackLevel"] == 64
    assert image.metadata["tiff_WhiteLevel"] == 4095
    bayer = decode(image_files.fits(GREY, BAYERPAT="'RGGB'", PEDESTAL=100)).metadata
    assert bayer == {"fits_BAYERPAT": "RGGB", "fits_PEDESTAL": 100}


def test_packed_bits_and_maxval_are_recorded():
    data, _ = SAMPLES["TIFF packed 12<"]
    assert decode(data).bit_depth == 12
    image = decode(SAMPLES["PGM 1023 False"][0])
    assert (image.bit_depth, image.metadata) == (10, {"pnm_maxval": 1023})


def test_a_tiff_page_of_another_type_is_named():
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        for kind in ("u2", "u2", "f4"):
            file.write(image_files.counts((4, 5), kind), metadata=None, contiguous=False)
    with pytest.raises(ImageError, match="page 3"):
        decode(buffer.getvalue())


@pytest.mark.parametrize(
    ("rows", "dtype", "message"),
    [
        ([[1, 70000]], "u2", "70000.0, which uint16"),
        ([[1, -1]], "u2", "-1.0, which uint16"),
        ([[1.0, 2.5]], "u2", "2.5"),
        ([[1.0, float("nan")]], "i4", "nan"),
        ([[1.0, 1e39]], "f4", "1e"),
        ([[2**53 + 1, 0.5]], None, "would round it"),
        ([[2**64 + 1, 0]], None, "would round it"),
        ([[-1, 2**63 + 1]], None, "would round it"),
        ([[[1, -1], [2, 3]]], "u2", "-1, which"),
    ],
)
def test_lists_never_change_a_number(rows, dtype, message):
    with pytest.raises(ImageError, match=message):
        decode(rows, dtype=dtype)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
def test_lists_of_a_given_type(dtype):
    pixels = image_files.counts((4, 5), dtype)
    found = decode(pixels.tolist(), dtype=dtype).planes[""]
    assert found.dtype == pixels.dtype
    np.testing.assert_array_equal(found, pixels)
    whole = [[0.0, 1.0, 100.0]]  # an array of doubles that holds whole numbers
    np.testing.assert_array_equal(decode(whole, dtype=dtype).planes[""], whole)


def test_masked_and_long_arrays():
    masked = np.ma.masked_greater(np.arange(6).reshape(2, 3), 4)
    with pytest.raises(ImageError, match="masked"):
        decode(masked)
    wide = np.array([[1, np.nan]], np.longdouble)
    np.testing.assert_array_equal(decode(wide).planes[""], [[1, np.nan]])
    if np.finfo(np.longdouble).nmant > 52:
        with pytest.raises(ImageError, match="float64"):
            decode(wide + np.finfo(np.longdouble).eps)


def test_opencv_is_another_decoder():
    """The samples that OpenCV reads are what their names say: the encoders are right, too."""
    for name in ("PNG grey 16 True", "PPM 65535 False", "TIFF grey u2>", "BMP palette"):
        data, pixels = SAMPLES[name]
        found = cv2.imdecode(np.frombuffer(data, "u1"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(found if found.ndim == 2 else found[..., ::-1], pixels)
