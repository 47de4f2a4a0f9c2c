"""Default chunks have 0.5 to 4 MB and keep in step with raw."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h5calib.creating.chunks import check_chunks, default_chunks


@pytest.mark.parametrize(
    ("shape", "itemsize", "raw_chunks", "chunks"),
    [
        ((22528, 512, 128), 4, None, (8, 512, 128)),
        ((22528, 512, 128), 4, (1, 512, 128), (8, 512, 128)),
        ((22528, 512, 128), 4, (3, 512, 128), (6, 512, 128)),
        ((22528, 512, 128), 4, (16, 512, 128), (16, 512, 128)),
        ((22528, 512, 128), 4, (1000, 512, 128), (8, 512, 128)),
        ((100, 512, 1024), 4, (1, 512, 1024), (1, 512, 1024)),
        ((100, 512, 1024), 8, None, (1, 512, 1024)),
        ((10, 2250, 2250), 4, None, (1, 225, 2250)),
        ((10, 2250, 2250), 4, (1, 50, 2250), (1, 200, 2250)),
        ((64, 352, 512, 128), 4, None, (1, 8, 512, 128)),
        ((5, 12, 16), 4, None, (5, 12, 16)),
        ((6, 5, 12, 16), 4, None, (6, 5, 12, 16)),
        ((0, 12, 16), 4, None, (1, 12, 16)),
        ((512, 1024), 4, None, (512, 1024)),
    ],
)
def test_default(shape, itemsize, raw_chunks, chunks):
    assert default_chunks(shape, itemsize, raw_chunks=raw_chunks) == chunks


def test_whole_frames_where_needed():
    assert default_chunks((9, 4000, 4000), 4, whole_frame=True) == (1, 4000, 4000)


@given(st.integers(1, 10**6), st.integers(1, 9000), st.integers(1, 9000), st.sampled_from([4, 8]))
def test_default_chunks_are_of_good_size(frames, ny, nx, itemsize):
    shape = (frames, ny, nx)
    chunks = default_chunks(shape, itemsize)
    size = math.prod(chunks) * itemsize
    assert all(1 <= c <= s for c, s in zip(chunks, shape, strict=True))
    assert chunks[2] == nx
    assert size <= 4 << 20
    assert size >= min(512 << 10, math.prod(shape) * itemsize)


@pytest.mark.parametrize(
    ("chunks", "error", "message"),
    [
        ((1, 12), ValueError, r"chunks \(1, 12\) do not fit the shape \(5, 12, 16\)"),
        ((6, 12, 16), ValueError, "do not fit"),
        ((0, 12, 16), ValueError, "do not fit"),
        ("auto", TypeError, "one length for each axis, or None"),
        (True, TypeError, "one length for each axis, or None"),
    ],
)
def test_bad_chunks(chunks, error, message):
    with pytest.raises(error, match=message):
        check_chunks(chunks, (5, 12, 16), 4, whole_frame=False)


def test_chunks_of_parts_of_frames_where_whole_ones_are_needed():
    with pytest.raises(ValueError, match="needs whole frames, let them end with 12, 16"):
        check_chunks((1, 6, 16), (5, 12, 16), 4, whole_frame=True)


def test_chunks_beyond_hdf5():
    with pytest.raises(ValueError, match="HDF5 allows less than 4 GiB"):
        check_chunks((16384, 512, 128), (20000, 512, 128), 4, whole_frame=False)
