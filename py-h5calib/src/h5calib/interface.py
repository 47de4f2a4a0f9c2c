"""What other packages that write HDF5 files may rely on, as they may on `h5calib` itself.

`openpmd_ccd` is one: it keeps constants once for many calibrated datasets of a file that grows.
Names here change only with a line in the changelog and a minor version.
"""

from .binding.plugin import require as require_plugin
from .contents.sources import read_values
from .creating.series import Attributes, Series, calibration_from, store_constants

__all__ = [
    "Attributes",
    "Series",
    "calibration_from",
    "read_values",
    "require_plugin",
    "store_constants",
]
