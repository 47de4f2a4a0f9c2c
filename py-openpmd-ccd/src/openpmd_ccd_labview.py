"""Camera shots from LabVIEW's Python Node as openPMD files.

Every function returns (status, code, source), LabVIEW's error cluster: wire a cluster of
Boolean, I32 and String to the node's return terminal. status is TRUE for an error; source
says what happened, and after `status` how far the scan is. No function raises an exception.

Unwired terminals count as not given: "", an unset path (<Not A Path>), NaN, an empty array, -1,
and for resolution, ROI and exposure time also 0. Only the folder of open_write may not be
<Not A Path>: a scan would go to a folder that nobody chose.

Codes (LabVIEW's range for users):
  5000 error of the package     5001 unknown camera       5002 camera is open already
  5003 bad setting or argument  5004 bad image            5005 bad shot number
  5006 file exists              5007 folder is missing    5008 disk full
  5009 another writer has it    5010 writing failed       5011 file was moved or deleted
  5012 no permission            5013 queue full           5014 a Python package is missing
  5015 scan is closed           5016 cannot recover       5017 bad dark, flat or calibration
  5018 no locks on this disk
  5098 interrupted              5099 unexpected error
"""

# Settings ############################################################################
config_allow_overwrite = False  # replace a scan file that exists already?
config_create_directory = True  # make the folder if it does not exist yet?
#######################################################################################

import functools  # noqa: E402 - the settings come first, for the operator
import math  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import threading  # noqa: E402

#: what LabVIEW passes for a path that was never set
_NO_PATH = "<not a path>"
#: LabVIEW's names of numeric types; NumPy's are taken, too
_TYPES = {
    "u8": "uint8", "u16": "uint16", "u32": "uint32", "u64": "uint64",
    "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64",
    "sgl": "float32", "dbl": "float64",
}  # fmt: skip

#: open scans by camera name; one LabVIEW Python session is one process
_scans = {}


def _returns_cluster(function):
    """Make a function return (status, code, source) whatever happens."""

    @functools.wraps(function)
    def guarded(*args, **kwargs):
        handler = None
        try:
            handler = _hold_interrupts()
            try:
                return (False, 0, str(function(*args, **kwargs)))
            except BaseException as error:
                return _cluster(function.__name__, error)
            finally:
                _allow_interrupts(handler)
        except BaseException:  # an interrupt that came before they were held, or after
            _allow_interrupts(handler)
            return (True, 5098, f"openPMD-CCD {function.__name__}: interrupted")

    return guarded


def _hold_interrupts():
    """Let a call finish in spite of Ctrl-C, which could leave a lock taken for ever."""
    if threading.current_thread() is not threading.main_thread():
        return None  # Python interrupts the main thread only
    handler = signal.getsignal(signal.SIGINT)
    if handler is not None:
        signal.signal(signal.SIGINT, lambda *_: None)
    return handler


def _allow_interrupts(handler):
    if handler is not None:
        signal.signal(signal.SIGINT, handler)


def _cluster(name, error):
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        code, text = 5098, f"interrupted ({type(error).__name__})"
    elif isinstance(error, TypeError) and f"{name}()" in str(error):
        code, text = 5003, str(error)
    else:
        code = getattr(error, "code", 5099)
        code = code if type(code) is int and 5000 <= code <= 9999 else 5099
        text = str(error) if code != 5099 else f"{type(error).__name__}: {error}"
    return (True, code, f"openPMD-CCD {name}: {text}")


def _text(value):
    """A string, or None where the terminal is not wired."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if value is None or (isinstance(value, str) and value.strip().lower() in ("", _NO_PATH)):
        return None
    if _is_number(value):
        return None if _no_number(value) or value == 0 else str(value)
    return value


def _is_number(value):
    return not isinstance(value, str) and hasattr(value, "__float__") and _size(value) is None


def _size(value):
    try:
        return len(value)
    except TypeError:
        return None


def _no_number(value):
    return value is False or math.isnan(value) or value == -1


def _given(value):
    """Numbers (one or several), or None where the terminal is not wired."""
    if value is None or isinstance(value, str):
        return _text(value)
    if _is_number(value):
        return None if _no_number(value) or value == 0 else value
    values = list(value)
    unwired = all(_is_number(v) and (_no_number(v) or v == 0) for v in values)
    return None if unwired else values


def _number(value):
    """Number of a scan, or None where the terminal is not wired; 0 is a number."""
    if value is None or _size(value) == 0:
        return None
    return None if _is_number(value) and _no_number(value) else value


def _scan(ccd_name):
    from openpmd_ccd.errors import UnknownCameraError

    name = _text(ccd_name)
    if not isinstance(name, str) or name not in _scans:
        raise UnknownCameraError(f"camera {ccd_name!r} is not open: call open_write first")
    return _scans[name]


def _folder(value):
    """The folder of a scan, the current one where none is given; never one that was not chosen."""
    from openpmd_ccd.errors import SettingError

    if isinstance(value, str) and value.strip().lower() == _NO_PATH:
        raise SettingError("the folder is <Not A Path>: set the path control, or wire a path")
    return _text(value) or "."


def _image_type(value):
    """NumPy's name of a type that LabVIEW or NumPy has, or None where it is not given."""
    from openpmd_ccd.errors import SettingError

    name = _text(value)
    if name is None:
        return None
    found = _TYPES.get(str(name).strip().lower(), str(name).strip().lower())
    if found not in _TYPES.values():
        raise SettingError(f"image type {name!r}: one of {', '.join(_TYPES).upper()} expected")
    return found


def _file_name(ccd_name, scan_number):
    from openpmd_ccd.checks import shot_number
    from openpmd_ccd.errors import SettingError

    name = "".join("_" if c in "/\\" else c for c in ccd_name)
    if scan_number is None:
        return f"{name}_ccd.h5"
    try:
        return f"{name}_scan-{shot_number(scan_number)}_ccd.h5"
    except ValueError as error:
        raise SettingError(str(error).replace("shot number", "scan number")) from None


@_returns_cluster
def open_write(
    directory_path, ccd_name, scan_number=None, ccd_model=None, ccd_serial=None,
    ccd_operator=None, ccd_resolution=None, ccd_roi=None, ccd_exposure_time=None,
    ccd_dark_path=None, ccd_flat_path=None, ccd_image_type=None, ccd_lock=None,
):  # fmt: skip
    """Open a new scan file for one camera.

    directory_path: folder (String or Path). ccd_name: the camera's name, unique in this
    session. scan_number (I32): part of the file name, <camera>_scan-<number>_ccd.h5; unwired
    or -1: <camera>_ccd.h5. ccd_model, ccd_serial, ccd_operator: String, the operator as
    "First Last <e-mail>". ccd_resolution: array of x and y in metres per pixel, or one
    number. ccd_roi: array of x, y, width, height in pixels. ccd_exposure_time: seconds.
    ccd_dark_path, ccd_flat_path: image or HDF5 files; with one of them each image is stored
    raw, and beside it calibrated, (raw - dark) / flat, which is computed when it is read.
    ccd_image_type: type in which images that come as lists are stored, U8 U16 U32 U64 I8 I16
    I32 I64 SGL or DBL, so that all are alike; unwired: each the narrowest of U16, I32, U32, I64,
    U64, DBL that holds its values. ccd_lock: "none" where open_write says that the disk has no
    locks (code 5018); then nothing keeps a second writer away from this file.
    An existing file is an error unless config_allow_overwrite is True.
    """
    from openpmd_ccd import CCD
    from openpmd_ccd.errors import CameraOpenError, SettingError

    name = _text(ccd_name)
    if not isinstance(name, str):
        raise SettingError("a camera name is needed")
    if name in _scans:
        raise CameraOpenError(
            f"camera {name!r} is open already: {_scans[name].path}. Go on with add, or call close "
            "for this camera (close_all for all) before open_write begins a new file"
        )
    folder = _folder(directory_path)
    scan = CCD(
        os.path.join(folder, _file_name(name, _number(scan_number))),
        config_allow_overwrite, config_create_directory,
        name, _text(ccd_model), _text(ccd_serial), _text(ccd_operator),
        _given(ccd_resolution), _given(ccd_roi), _given(ccd_exposure_time),
        blocking=False, dark=_text(ccd_dark_path), flat=_text(ccd_flat_path),
        dtype=_image_type(ccd_image_type), lock=_text(ccd_lock) or "file",
    )  # fmt: skip
    _scans[name] = scan
    return scan.path


@_returns_cluster
def add(ccd_name, image_number, image_data=None, image_path=None):
    """Add one image: image_number (I32) is its number, image_data a 2-D array.

    Without image_data (unwired or empty), image_path names an image file. The image is
    copied and the function returns; a thread writes it. When eight images wait to be
    written, the function waits: no image is dropped. What could not be written is reported
    by the next call and by close.
    """
    scan = _scan(ccd_name)
    scan.add(image_number, image_data, _text(image_path))
    return scan.path


@_returns_cluster
def add_path(ccd_name, image_number, image_path):
    """Add one image from a file (PNG, TIFF, ...)."""
    scan = _scan(ccd_name)
    scan.add(image_number, None, _text(image_path))
    return scan.path


@_returns_cluster
def recalibrate(ccd_name, resolution=None, roi=None, exposure_time=None):
    """Change resolution, ROI or exposure time from the next image on; unwired: unchanged."""
    scan = _scan(ccd_name)
    scan.recalibrate(_given(resolution), _given(roi), _given(exposure_time))
    return scan.path


@_returns_cluster
def calibrate_from_shots(ccd_name, first, last):
    """Make the dark from the images numbered first to last (I32), taken with the light off.

    Images that come after have it subtracted in their calibrated mesh; those before keep
    what they had. source says how many images were averaged and how many pixels are bad.
    """
    from openpmd_ccd.checks import shot_number

    scan = _scan(ccd_name)
    count, bad = scan.calibrate_from_shots(shot_number(first), shot_number(last))
    return f"{scan.path}: dark of {count} images, {bad} bad pixels"


@_returns_cluster
def flush(ccd_name):
    """Return when all images added so far are safe, even if LabVIEW is killed."""
    scan = _scan(ccd_name)
    scan.flush()
    return _progress(scan)


@_returns_cluster
def status(ccd_name):
    """Say in source how many images are safe and how many wait to be written."""
    return _progress(_scan(ccd_name))


def _progress(scan):
    scan.check()
    return f"{scan.path}: {len(scan.safe)} images safe, {scan.waiting} waiting"


@_returns_cluster
def close(ccd_name):
    """Write what waits and close the camera's file; an error of an earlier write comes here."""
    scan = _scan(ccd_name)
    del _scans[_text(ccd_name)]
    scan.close()
    return scan.path


@_returns_cluster
def close_all():
    """Close all cameras; the first error is reported after all are closed."""
    errors = []
    for name in list(_scans):
        try:
            _scans.pop(name).close()
        except Exception as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return "all cameras are closed"
