"""Add the calibrated mesh to the shots of a scan that is closed, without touching raw."""

from pathlib import Path

import h5py

from ..errors import CalibrationError, RecoveryError
from ..reading.h5 import in_order, plain
from ..writing import attributes
from ..writing.journal import Journal, journal_path
from ..writing.shot import SCALAR, Form, Settings, Shot
from . import settings as calibration
from .dark import average, masked
from .mesh import MESH, SETS, CalibratedMeshes

#: group of h5calib's datasets
HOME = "h5calib"


def calibrate_scan(path, overwrite=False, **given):
    """Give every shot of a closed scan a calibrated mesh; returns how many.

    Parameters
    ----------
    path : str or path
        An HDF5 scan.
    overwrite : bool
        Replace calibrated meshes that are there; otherwise they are an error.
    **given
        dark, flat, gain, unit, calibration as for `CCD`.
    """
    path = Path(path)
    cal = calibration.make(calibration.updated(None, given))
    if cal is None:
        raise CalibrationError("nothing to calibrate with: give a dark, a flat, a gain or a unit")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such HDF5 scan")
    if journal_path(path).exists():
        raise RecoveryError(
            f"{path} is being written, or was left unfinished: 'openpmd-ccd recover {path}'"
        )
    journal = Journal(path)  # keeps writers away
    try:
        with h5py.File(path, "r+", libver=_libver(path)) as file:
            count = _calibrate(file, cal, overwrite)
            unused = HOME in file if overwrite else False
        if unused:
            calibration.h5calib().clean(path)
        return count
    finally:
        journal.remove()


def _libver(path):
    with h5py.File(path, "r") as file:
        superblock = file.id.get_create_plist().get_version()[0]
    return ("v110", "v110") if superblock in (0, 3) else None


def _calibrate(file, cal, overwrite):
    meshes_path = plain(file.attrs.get("meshesPath", attributes.MESHES)).strip("/")
    if meshes_path != attributes.MESHES:
        raise CalibrationError(
            f"{file.filename} is no scan of this package: its meshes are in {meshes_path}"
        )
    numbers = sorted(file["data"], key=int)
    forms = {n: _form(file[f"data/{n}/{attributes.MESHES}"]) for n in numbers}
    for number in numbers:
        cal.check(_shot(number, forms[number]))
        if MESH in file[f"data/{number}/{attributes.MESHES}"] and not overwrite:
            raise CalibrationError(f"shot {number} is calibrated already: say --overwrite")
    meshes = CalibratedMeshes(file)
    for number in numbers:
        group = file[f"data/{number}/{attributes.MESHES}"]
        if MESH in group:
            del group[MESH]
        meshes.add(number, forms[number], cal)
    for old in set(file[SETS]) - {str(meshes.number(cal))}:
        del file[SETS][old]
    return len(numbers)


def _form(meshes):
    raw = meshes[attributes.RECORD]
    components = (SCALAR,) if isinstance(raw, h5py.Dataset) else tuple(in_order(raw))
    first = raw if components == (SCALAR,) else raw[components[0]]
    axes = tuple(plain(raw.attrs["axisLabels"]))
    resolution, roi = (raw.attrs.get(k) for k in ("ccdResolution", "ccdROI"))
    settings = Settings(
        None if resolution is None else tuple(resolution.tolist()),
        None if roi is None else tuple(roi.tolist()),
    )
    return Form(components, axes, first.shape, first.dtype.str, settings)


class _Plane:
    """Shape of a plane whose pixels are not needed."""

    def __init__(self, shape):
        self.shape = shape


def _shot(number, form):
    planes = dict.fromkeys(form.components, _Plane(form.shape))
    return Shot(int(number), 0.0, planes, form.axes, form.settings)


def from_scan(path, count, what):
    """Dark or flat from the first `count` shots of a scan (0: all), NaN for bad pixels."""
    from ..reading.scan import open_scan

    with open_scan(path) as scan:
        if count > len(scan):
            raise CalibrationError(f"{what} {path} has {len(scan)} shots, not {count}")
        dark, _, bad = average(scan, scan.numbers[:count] if count else None)
    return masked(dark, bad) if what == "dark" else dark


def is_scan(path):
    """Whether a path is an openPMD file with iterations."""
    if path is None or not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        return "data" in file and "openPMD" in file.attrs
