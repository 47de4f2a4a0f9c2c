"""The attributes that make a file openPMD 1.1.0, as NumPy values ready to be written.

Text is fixed-length bytes: readers of openPMD 1.1.0 reject variable-length strings.
"""

import platform
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from .shot import SCALAR, Camera, Form, Settings

Values = dict[str, Any]

#: path of the meshes in an iteration, and the record's name, as in the first version
MESHES = "shots"
RECORD = "raw"
#: of a component's dataset: `checksum` of its pixels
CHECKSUM = "ccdChecksum"
#: of the file: its number of shots once it is closed, -1 before
SHOTS = "ccdShots"
#: of the file, what says that this package wrote it
SOFTWARE = "openPMD-CCD"


def as_text(value: str) -> np.bytes_:
    """Fixed-length bytes of a string, in UTF-8."""
    return np.bytes_(value.encode())


def _dependencies() -> str:
    import h5py

    found = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "hdf5": h5py.version.hdf5_version,
        "h5py": h5py.__version__,
    }
    return ";".join(f"{name}@{version}" for name, version in found.items())


def root(camera: Camera, when: datetime | None = None) -> Values:
    """Attributes of the file. `when` is an aware datetime, now by default."""
    from .. import __version__

    when = when or datetime.now().astimezone()
    texts = {
        "openPMD": "1.1.0",
        "basePath": "/data/%T/",
        "meshesPath": f"{MESHES}/",
        "iterationEncoding": "groupBased",
        "iterationFormat": "/data/%T/",
        "author": camera.operator,
        "software": SOFTWARE,
        "softwareVersion": __version__,
        "softwareDependencies": _dependencies(),
        "machine": camera.model,
        "date": when.strftime("%Y-%m-%d %H:%M:%S %z"),
        "ccdName": camera.name,
        "ccdModel": camera.model,
        "ccdSerial": camera.serial,
    }
    numbers: Values = {"openPMDextension": np.uint32(0), SHOTS: np.int64(-1)}
    return numbers | {k: as_text(v) for k, v in texts.items()}


def iteration(time: float) -> Values:
    """Attributes of an iteration; `time` in seconds since 1970-01-01 UTC."""
    return {"time": np.float64(time), "dt": np.float64(0), "timeUnitSI": np.float64(1)}


def metadata(values: Mapping[str, Any]) -> Values:
    """Per-shot metadata as attributes of the iteration; a bool becomes uint8 (0, 1).

    openPMD-api drops a whole iteration that has a boolean attribute.
    """
    return {name: _metadata_value(value) for name, value in values.items()}


def _metadata_value(value: Any) -> Any:
    if isinstance(value, str):
        return as_text(value)
    return np.uint8(value) if isinstance(value, bool) else np.asarray(value)[()]


def grid(axes: Sequence[str], settings: Settings) -> tuple[Any, Any]:
    """Spacing and offset of the grid along `axes`, in metres (pixels without a resolution)."""
    dx, dy = settings.resolution or (1.0, 1.0)
    x0, y0 = (settings.roi or (0.0, 0.0))[:2]
    spacing = {"y": dy, "x": dx}
    offset = {"y": y0 * dy, "x": x0 * dx}
    return (
        np.array([spacing.get(a, 1.0) for a in axes]),
        np.array([offset.get(a, 0.0) for a in axes]),
    )


def mesh(form: Form) -> Values:
    """Attributes of the mesh `raw`."""
    spacing, offset = grid(form.axes, form.settings)
    values: Values = {
        "geometry": as_text("cartesian"),
        "dataOrder": as_text("C"),
        "axisLabels": np.array([a.encode() for a in form.axes]),
        "gridSpacing": spacing,
        "gridGlobalOffset": offset,
        "gridUnitSI": np.float64(1),
        "unitDimension": np.zeros(7),
        "timeOffset": np.float64(0),
    }
    return values | _camera_settings(form.settings)


def _camera_settings(settings: Settings) -> Values:
    values: Values = {}
    if settings.resolution is not None:
        values["ccdResolution"] = np.array(settings.resolution)
    if settings.roi is not None:
        values["ccdROI"] = np.array(settings.roi)
        values["ccdROILabels"] = np.array([b"x", b"y", b"w", b"h"])
    if settings.exposure_time is not None:
        values["ccdExposureTime"] = np.float64(settings.exposure_time)
    if settings.bit_depth is not None:
        values["bit_depth_readout"] = np.int64(settings.bit_depth)
    if settings.saturation_value is not None:
        values["saturation_value"] = np.float64(settings.saturation_value)
    return values


def component(form: Form) -> Values:
    """Attributes of each component: pixel centres, raw counts."""
    return {"position": np.full(len(form.axes), 0.5), "unitSI": np.float64(1)}


def component_path(name: str) -> str:
    """Path of a component's dataset below the meshes group."""
    return RECORD if name == SCALAR else f"{RECORD}/{name}"
