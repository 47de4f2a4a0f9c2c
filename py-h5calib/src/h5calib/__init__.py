"""HDF5 datasets that are calibrated detector data, computed when they are read.

Importing this registers the filter plugin for h5py.
"""

from .binding import plugin as _plugin
from .calibration.base import Calibration, Constant, algorithms
from .calibration.memory import calibrate
from .creating.create import create_calibrated_dataset
from .creating.legacy import create_processed
from .detectors import (
    Agipd,
    Ccd,
    CellPedestal,
    Dssc,
    Epix10ka,
    Epix100,
    FlatField,
    Jungfrau,
    Linear,
    Lpd,
    Pedestal,
    PhotonCounting,
)
from .errors import CalibrationError, MissingObjectError, NotCalibratedError, NotInstalledError
from .exporting import export
from .lazy import LazyArray, dask_array
from .reading.accelerate import accelerate
from .reading.direct import iterate, read
from .upkeep.identity import clean, new_identity
from .upkeep.inspection import describe
from .upkeep.relinking import relink
from .upkeep.verification import Finding, verify
from .version import __version__

__all__ = [
    "Agipd",
    "Calibration",
    "CalibrationError",
    "Ccd",
    "CellPedestal",
    "Constant",
    "Dssc",
    "Epix10ka",
    "Epix100",
    "Finding",
    "FlatField",
    "Jungfrau",
    "LazyArray",
    "Linear",
    "Lpd",
    "MissingObjectError",
    "NotCalibratedError",
    "NotInstalledError",
    "Pedestal",
    "PhotonCounting",
    "__version__",
    "accelerate",
    "algorithms",
    "calibrate",
    "clean",
    "create_calibrated_dataset",
    "create_processed",
    "dask_array",
    "describe",
    "export",
    "iterate",
    "new_identity",
    "read",
    "relink",
    "verify",
]

_plugin.register()
