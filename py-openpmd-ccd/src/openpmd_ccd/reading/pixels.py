"""Pixels of a scan read at the addresses in its journal, without HDF5."""

import numpy as np

from ..writing.checksum import matches
from ..writing.template import chunk_shape


class PixelSource:
    """The bytes of a scan's file; a missing file has none."""

    def __init__(self, path):
        try:
            self._file = open(path, "rb")  # noqa: SIM115 - closed by close()
        except FileNotFoundError:
            self._file = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def read(self, address, size):
        """`size` bytes at `address`, fewer at the end of the file."""
        if self._file is None or address is None:
            return b""
        self._file.seek(address)
        return self._file.read(size)

    def plane(self, place, form):
        """Array of a plane that is not compressed, or None if bytes are missing."""
        dtype = np.dtype(form["dtype"])
        if is_chunked(place):
            return self._assembled(place, form["shape"], dtype)
        size = int(np.prod(form["shape"])) * dtype.itemsize
        data = self.read(place[1], size)
        if len(data) != size:
            return None
        return np.frombuffer(data, dtype).reshape(form["shape"])

    def _assembled(self, place, shape, dtype):
        """Array of a plane in chunks without filters; chunks at the edges reach beyond it."""
        size = chunk_shape(shape, dtype.itemsize)
        plane = np.empty(shape, dtype)
        for offset, _, data, _ in self.chunks(place):
            chunk = np.frombuffer(data, dtype).reshape(size)
            target = plane[tuple(slice(o, o + n) for o, n in zip(offset, size, strict=True))]
            target[...] = chunk[tuple(map(slice, target.shape))]
        return plane

    def chunks(self, place):
        """(offset, filter mask, bytes, checksum) of each chunk of a plane."""
        for offset, address, size, mask, expected in place[1:]:
            yield tuple(offset), mask, self.read(address, size), expected

    def intact(self, record, form):
        """Whether all pixels of a shot are there and have their checksums."""
        return all(self._plane_intact(place, form) for place in record["at"])

    def _plane_intact(self, place, form):
        if is_chunked(place):
            return all(
                len(data) == chunk[2] and matches(data, expected)
                for chunk, (_, _, data, expected) in zip(place[1:], self.chunks(place), strict=True)
            )
        plane = self.plane(place, form)
        return plane is not None and matches(plane, place[0])


def is_chunked(place):
    """Whether a plane is stored in chunks."""
    return place[0] is None
