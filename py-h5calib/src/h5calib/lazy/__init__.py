"""Calibrated datasets that other packages read piece by piece: dask and xarray.

Nothing here computes or schedules: every piece is read by `h5calib.read`, in whichever thread,
process or machine asks for it.
"""

from .arrays import LazyArray, close_files, dask_array

__all__ = ["LazyArray", "close_files", "dask_array"]
