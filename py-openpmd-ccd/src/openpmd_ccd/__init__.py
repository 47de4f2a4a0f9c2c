"""Camera shots as valid, crash-safe openPMD files.

`CCD` writes a scan, `open_scan` reads it back, `recover` mends what a crash left
behind. Everything is imported on first use, so that ``import openpmd_ccd`` is cheap.
"""

from importlib import import_module
from typing import Any

_MODULE_OF = {
    "CCD": "writing.ccd",
    "open_scan": "reading.scan",
    "Scan": "reading.scan",
    "recover": "recovery.recover",
    "Recovery": "recovery.recover",
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
    "CalibrationError": "errors",
    "NoLocksError": "errors",
    "UnfinishedScanWarning": "errors",
}

__all__ = [*_MODULE_OF, "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("openpmd-ccd")
    if name in _MODULE_OF:
        return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
