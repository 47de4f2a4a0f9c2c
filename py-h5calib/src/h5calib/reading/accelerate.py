"""Plain ``dataset[...]`` of h5py by the direct way of `read`, for those who ask for it."""

from __future__ import annotations

import functools
from typing import Any

import h5py

from ..contents.layout import filter_words
from ..errors import NotCalibratedError
from .direct import read, through_hdf5


def accelerate(on: bool = True) -> None:
    """Let ``dataset[selection]`` of h5py read calibrated datasets as `h5calib.read` does.

    The numbers are the same; HDF5's chunk cache and its copies are left out. Everything that is
    not calibrated is read as before. Programs that use h5py by way of other packages profit, too.

    Parameters
    ----------
    on : bool
        False: everything is read as before.

    Examples
    --------
    >>> import h5py, h5calib, numpy as np
    >>> with h5py.File("accelerate.h5", "w") as f:
    ...     f["raw"] = np.full((4, 2, 2), 7, "u2")
    ...     pedestal = h5calib.Pedestal(np.ones((2, 2)))
    ...     d = h5calib.create_calibrated_dataset(f, "v", raw="raw", calibration=pedestal)
    ...     h5calib.accelerate()
    ...     float(d[1:3, 0, 0].sum())
    ...     h5calib.accelerate(False)
    12.0
    """
    h5py.Dataset.__getitem__ = _direct if on else through_hdf5


@functools.wraps(through_hdf5)
def _direct(self: h5py.Dataset, args: Any, new_dtype: Any = None) -> Any:
    if new_dtype is None and self.ndim > 1 and self.dtype.kind in "fiu":
        virtual = self.is_virtual
        if virtual or filter_words(self) is not None:
            try:
                found = read(self, args)
            except NotCalibratedError:  # a virtual dataset over others
                return through_hdf5(self, args)
            return found[()] if found.ndim == 0 else found
    return through_hdf5(self, args, new_dtype=new_dtype)
