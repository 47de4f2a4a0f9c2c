"""What can go wrong, in one place: each kind of error and its LabVIEW code.

The codes lie in LabVIEW's range for users (5000 to 9999). A class also inherits the
built-in exception that a Python user would expect, so `except ValueError` works.
"""


class CCDError(Exception):
    """Base of all errors of this package; `code` is what LabVIEW is told."""

    code = 5000


class UnknownCameraError(CCDError, KeyError):
    """No open scan has this camera name."""

    code = 5001

    def __str__(self) -> str:
        return str(self.args[0])


class CameraOpenError(CCDError, ValueError):
    """A scan of this camera name is open already."""

    code = 5002


class SettingError(CCDError, ValueError):
    """A resolution, ROI, exposure time, metadata value or option makes no sense."""

    code = 5003


class ImageError(CCDError, ValueError):
    """The image cannot be read, is empty, or has the wrong dimensions or type."""

    code = 5004


class ShotNumberError(CCDError, ValueError):
    """The shot number is not a whole number >= 0, or is in the scan already."""

    code = 5005


class ScanExistsError(CCDError, FileExistsError):
    """The file exists and overwriting was not asked for."""

    code = 5006


class DirectoryMissingError(CCDError, FileNotFoundError):
    """The folder of the scan does not exist and was not to be created."""

    code = 5007


class DiskFullError(CCDError, OSError):
    """The shot does not fit on the disk; the message says which shots are safe."""

    code = 5008


class ScanBusyError(CCDError, OSError):
    """Another writer has the scan open."""

    code = 5009


class WriteError(CCDError, OSError):
    """Writing failed; the message says which shots are safe."""

    code = 5010


class FileVanishedError(CCDError, OSError):
    """The file or its folder was moved or deleted under the writer."""

    code = 5011


class AccessError(CCDError, PermissionError):
    """The folder or file may not be written."""

    code = 5012


class QueueFullError(CCDError, RuntimeError):
    """The queue of a non-blocking scan with ``when_full="raise"`` has no room."""

    code = 5013


class MissingPackageError(CCDError, ImportError):
    """A feature needs a package that is not installed; the message names it."""

    code = 5014


class ScanClosedError(CCDError, ValueError):
    """The scan is closed."""

    code = 5015


class RecoveryError(CCDError, OSError):
    """The scan cannot be recovered."""

    code = 5016


class CalibrationError(CCDError, ValueError):
    """A dark, flat, gain, unit or calibration cannot be read, makes no sense or does not fit."""

    code = 5017


class NoLocksError(CCDError, OSError):
    """The file system has no working locks, and ``lock="none"`` was not said."""

    code = 5018


class UnfinishedScanWarning(UserWarning):
    """The scan is being written, or was left unfinished; the message says what is safe."""


#: codes that the LabVIEW wrapper gives to what is no `CCDError`
INTERRUPTED = 5098
UNEXPECTED = 5099
