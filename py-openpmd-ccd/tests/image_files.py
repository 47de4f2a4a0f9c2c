"""Image files for tests, from encoders that have nothing to do with the readers under test."""

import io
import struct

import cv2
import imagecodecs
import numpy as np
import png
from PIL import Image

_TIFF_KINDS = {"u": 1, "i": 2, "f": 3}


def counts(shape, dtype="u2", most=None):
    """Random pixels over the whole range of a type, or from 0 to `most`."""
    rng = np.random.default_rng(sum(shape) + np.dtype(dtype).itemsize)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return rng.normal(0, 1e3, shape).astype(kind)
    limits = np.iinfo(kind)
    high = limits.max if most is None else most
    return rng.integers(limits.min if most is None else 0, high, shape, kind, endpoint=True)


def by_opencv(ending, pixels):
    """A file by OpenCV, whose colours are b, g, r (a)."""
    if pixels.ndim == 3:
        pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    done, data = cv2.imencode(ending, pixels)
    assert done
    return data.tobytes()


def by_pypng(pixels, depth, interlace=False, **options):
    """A PNG by pypng."""
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    kind = (
        {"greyscale": channels < 3, "alpha": channels in (2, 4)} if "palette" not in options else {}
    )
    writer = png.Writer(width, height, bitdepth=depth, interlace=interlace, **kind, **options)
    buffer = io.BytesIO()
    rows = pixels.reshape(height, -1)
    (
        writer.write_array(buffer, rows.ravel().tolist())
        if interlace
        else writer.write(buffer, rows.tolist())
    )
    return buffer.getvalue()


def by_pillow(pixels, format, mode=None, **options):
    """A file by Pillow."""
    buffer = io.BytesIO()
    picture = Image.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(buffer, format, **options)
    return buffer.getvalue()


def tiff(pixels, bits=None, photometric=1, order="<", rows=None, planar=1, more=(), alpha=()):
    """A TIFF without compression, byte by byte after the standard; `bits` packs whole numbers."""
    height, width = pixels.shape[:2]
    samples = 1 if pixels.ndim == 2 else pixels.shape[2]
    bits = bits or 8 * pixels.dtype.itemsize
    planes = [pixels] if planar == 1 else [pixels[..., i] for i in range(samples)]
    rows = rows or height
    strips = [
        _packed(plane[at : at + rows], bits, order)
        for plane in planes
        for at in range(0, height, rows)
    ]
    entries = [
        (256, 4, [width]), (257, 4, [height]), (258, 3, [bits] * samples), (259, 3, [1]),
        (262, 3, [photometric]), (277, 3, [samples]), (278, 4, [rows]), (284, 3, [planar]),
        (339, 3, [_TIFF_KINDS[pixels.dtype.kind]] * samples), *more,
    ]  # fmt: skip
    if alpha:
        entries.append((338, 3, list(alpha)))
    data = bytearray(b"II*\0" if order == "<" else b"MM\0*") + b"\0" * 4
    offsets = []
    for strip in strips:
        offsets.append(len(data))
        data += strip + b"\0" * (len(strip) % 2)
    entries += [(273, 4, offsets), (279, 4, [len(strip) for strip in strips])]
    return bytes(_directory(data, sorted(entries), order))


def _directory(data, entries, order):
    kinds = {1: "B", 3: "H", 4: "I", 5: "I"}
    table = b""
    for tag, kind, values in entries:
        body = struct.pack(f"{order}{len(values)}{kinds[kind]}", *values)
        if len(body) > 4:
            body, place = struct.pack(order + "I", len(data)), body
            data += place + b"\0" * (len(place) % 2)
        count = len(values) // (2 if kind == 5 else 1)
        table += struct.pack(order + "HHI", tag, kind, count) + body.ljust(4, b"\0")
    data[4:8] = struct.pack(order + "I", len(data))
    data += struct.pack(order + "H", len(entries)) + table + b"\0\0\0\0"
    return data


def _packed(rows, bits, order):
    if bits in (8, 16, 32, 64):
        return rows.astype(rows.dtype.newbyteorder(order)).tobytes()
    wide = rows[..., np.newaxis].astype("u2") >> np.arange(bits - 1, -1, -1) & 1
    return np.packbits(wide.reshape(len(rows), -1).astype("u1"), axis=1).tobytes()


def fits(pixels, zero=None, **more):
    """A FITS file, card by card after the standard."""
    bits = 8 * pixels.dtype.itemsize * (-1 if pixels.dtype.kind == "f" else 1)
    cards = [("SIMPLE", "T"), ("BITPIX", bits), ("NAXIS", pixels.ndim)]
    cards += [(f"NAXIS{i + 1}", n) for i, n in enumerate(reversed(pixels.shape))]
    if zero is not None:
        cards += [("BZERO", zero), ("BSCALE", 1)]
        pixels = (pixels.astype(object) - zero).astype(
            f"i{pixels.dtype.itemsize}" if zero > 0 else "u1"
        )
    text = "".join(f"{k:<8}= {v!s:>20}".ljust(80) for k, v in [*cards, *more.items()])
    text += "END".ljust(80)
    body = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
    blocks = [
        text.encode().ljust(-(-len(text) // 2880) * 2880),
        body.ljust(-(-len(body) // 2880) * 2880, b"\0"),
    ]
    return b"".join(blocks)


def pnm(pixels, maxval, text=False, comment=b""):
    """A PGM or PPM file with any maxval."""
    kind = (2 if text else 5) + (pixels.ndim == 3)
    head = b"P%d\n%s%d %d\n%d\n" % (kind, comment, pixels.shape[1], pixels.shape[0], maxval)
    if text:
        return (
            head
            + b"\n".join(
                b" ".join(b"%d" % v for v in row) for row in pixels.reshape(len(pixels), -1)
            )
            + b"\n"
        )
    return head + pixels.astype("u1" if maxval < 256 else ">u2").tobytes()


def _grey(dtype="u1", most=None):
    return counts((11, 13), dtype, most)


def _colour(dtype="u1", channels=3):
    return counts((11, 13, channels), dtype)


def _smooth():
    ramp = np.add.outer(np.arange(32), np.arange(48)).astype("u1")
    return np.stack([ramp, ramp * 2, 255 - ramp], -1)


def _palettes():
    palette = counts((16, 3), "u1")
    index = _grey("u1", 15)
    listed = [tuple(map(int, colour)) for colour in palette]
    picture = Image.new("P", index.shape[::-1])
    picture.putdata(index.ravel().tolist())
    picture.putpalette(np.vstack([palette, np.zeros((240, 3), "u1")]).ravel().tolist())
    gif, bmp = io.BytesIO(), io.BytesIO()
    picture.save(gif, "GIF")
    picture.save(bmp, "BMP")
    wide = counts((256, 3), "u2")
    return {
        "PNG palette": (by_pypng(index, 4, palette=listed), palette[index]),
        "GIF palette": (gif.getvalue(), palette[index]),
        "BMP palette": (bmp.getvalue(), palette[index]),
        "TIFF palette": (
            tiff(_grey(), photometric=3, more=[(320, 3, wide.T.ravel().tolist())]), wide[_grey()],
        ),
    }  # fmt: skip


def _jpeg(pixels, **options):
    data = imagecodecs.jpeg8_encode(pixels, level=90, **options)
    return data, cv2.imdecode(np.frombuffer(data, "u1"), cv2.IMREAD_UNCHANGED)


def _npy(pixels):
    buffer = io.BytesIO()
    np.save(buffer, pixels)
    return buffer.getvalue(), pixels


def samples():
    """{name: (bytes of a file, its pixels)}: at least one for each row of the table."""
    found = _palettes()
    for depth in (1, 2, 4, 8, 16):
        grey = _grey("u2", 2**depth - 1).astype("u1" if depth < 9 else "u2")
        for interlace in (False, True):
            found[f"PNG grey {depth} {interlace}"] = by_pypng(grey, depth, interlace), grey
    for depth, kind in ((8, "u1"), (16, "u2")):
        for channels in (2, 3, 4):
            pixels = _colour(kind, channels)
            for interlace in (False, True):
                name = f"PNG {channels} channels {depth} {interlace}"
                found[name] = by_pypng(pixels, depth, interlace), pixels
        for channels in (3, 4):
            pixels = _colour(kind, channels)
            found[f"PNG OpenCV {channels} {depth}"] = by_opencv(".png", pixels), pixels
            found[f"TIFF OpenCV {channels} {depth}"] = by_opencv(".tiff", pixels), pixels
        found[f"PNG OpenCV grey {depth}"] = by_opencv(".png", _grey(kind)), _grey(kind)
        found[f"PGM OpenCV {depth}"] = by_opencv(".pgm", _grey(kind)), _grey(kind)
        found[f"PPM OpenCV {depth}"] = by_opencv(".ppm", _colour(kind)), _colour(kind)
    found["TIFF OpenCV float"] = by_opencv(".tiff", _grey("f4")), _grey("f4")
    found |= _tiffs() | _astronomers()
    for maxval in (1, 100, 255, 1023, 4095, 65535):
        grey = _grey("u2", maxval)
        colour = np.stack([grey, grey[::-1], maxval - grey], -1)
        for text in (False, True):
            found[f"PGM {maxval} {text}"] = pnm(grey, maxval, text, b"# a comment\n"), grey
            found[f"PPM {maxval} {text}"] = pnm(colour, maxval, text), colour
    for kind in ("u1", "u2", "i4", "u8", "f4", "f8"):
        found[f"NumPy {kind}"] = _npy(_grey(kind))
    found["BMP grey"] = by_opencv(".bmp", _grey()), _grey()
    found["BMP RGB"] = by_opencv(".bmp", _colour()), _colour()
    smooth = _smooth()
    found["JPEG grey"] = _jpeg(np.ascontiguousarray(smooth[..., 0]))
    data, bgr = _jpeg(smooth)
    found["JPEG YCbCr"] = data, bgr[..., ::-1]
    progressive = by_pillow(smooth, "JPEG", progressive=True)
    bgr = cv2.imdecode(np.frombuffer(progressive, "u1"), cv2.IMREAD_UNCHANGED)
    found["JPEG progressive"] = progressive, bgr[..., ::-1]
    return found


def _tiffs():
    found = {}
    for kind in ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"):
        for order in "<>":
            found[f"TIFF grey {kind}{order}"] = tiff(_grey(kind), order=order, rows=3), _grey(kind)
        found[f"TIFF RGB {kind}"] = tiff(_colour(kind), photometric=2), _colour(kind)
        rgba = _colour(kind, 4)
        found[f"TIFF RGBA {kind}"] = tiff(rgba, photometric=2, alpha=[2]), rgba
        found[f"TIFF planar {kind}"] = (
            tiff(_colour(kind), photometric=2, planar=2, rows=4),
            _colour(kind),
        )
        la = _colour(kind, 2)
        found[f"TIFF LA {kind}"] = tiff(la, alpha=[1]), la
    for bits in (1, 2, 4, 10, 12, 14):
        grey = _grey("u2", 2**bits - 1)
        for order in "<>":
            found[f"TIFF packed {bits}{order}"] = tiff(grey, bits, order=order, rows=3), grey
    found["TIFF white is zero"] = tiff(_grey(), photometric=0), _grey()
    cfa = [(33421, 3, [2, 2]), (33422, 1, [0, 1, 1, 2])]
    found["TIFF CFA"] = tiff(_grey("u2"), photometric=32803, more=cfa), _grey("u2")
    for format in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        found[f"TIFF {format}"] = by_pillow(_grey("u2"), "TIFF", compression=format), _grey("u2")
        found[f"TIFF RGB {format}"] = by_pillow(_colour(), "TIFF", compression=format), _colour()
    return found


def _astronomers():
    from astropy.io import fits as astropy_fits

    found = {}
    for kind in ("u1", "i2", "i4", "i8", "f4", "f8"):
        found[f"FITS {kind}"] = fits(_grey(kind)), _grey(kind)
    for kind, zero in (("i1", -128), ("u2", 2**15), ("u4", 2**31), ("u8", 2**63)):
        found[f"FITS {kind}"] = fits(_grey(kind), zero), _grey(kind)
    for kind in ("u1", "i2", "u2", "i4", "u4", "f4", "f8"):
        buffer = io.BytesIO()
        astropy_fits.PrimaryHDU(_grey(kind)).writeto(buffer)
        found[f"FITS astropy {kind}"] = buffer.getvalue(), _grey(kind)
    cube = counts((3, 5, 7), "u2")
    found["FITS cube"] = fits(cube, 2**15), cube
    return found
