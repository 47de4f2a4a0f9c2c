"""Filter parameters through h5py's own libhdf5."""

from __future__ import annotations

import h5py
import pytest

from h5calib.binding import hdf5 as _hdf5


@pytest.mark.parametrize("count", [0, 1, 16, 17, 100, 256])
def test_all_words_are_returned(count):
    words = tuple(2**32 - 1 - i for i in range(count))
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_shuffle()
    properties.set_filter(57836, h5py.h5z.FLAG_OPTIONAL, words)
    assert _hdf5.filter_words(properties, 57836) == words
    assert _hdf5.filter_words(properties, 32015) is None


def test_without_the_function_h5py_is_asked(monkeypatch):
    monkeypatch.setattr(_hdf5, "function", lambda name: None)
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_filter(57836, h5py.h5z.FLAG_OPTIONAL, (1, 2, 3))
    assert _hdf5.filter_words(properties, 57836) == (1, 2, 3)
