"""Camera shots as valid, crash-safe openPMD files.

`CCD` writes a scan, `open_scan` reads it back, `recover` mends what a crash left
behind. Everything is imported on first use, so that ``import openpmd_ccd`` is cheap.
"""

from importlib import import_module

_HOME = {
    "CCD": "ccd",
    "open_scan": "scan",
    "Scan": "scan",
    "recover": "recovery",
    "Recovery": "recovery",
    "CCDError": "errors",
    "ShotNumberError": "errors",
    "ImageError": "errors",
    "SettingError": "errors",
    "ScanExistsError": "errors",
    "ScanBusyError": "errors",
    "ScanClosedError": "errors",
    "DirectoryMissingError": "errors",
    "DiskFullError": "errors",
    "FileVanishedError": "errors",
    "WriteError": "errors",
    "QueueFullError": "errors",
    "MissingPackageError": "errors",
    "RecoveryError": "errors",
}

__all__ = [*_HOME, "__version__"]


def __getattr__(name):
    if name == "__version__":
        from importlib.metadata import version

        return version("openpmd-ccd")
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
