"""`open_scan`: read a scan back, by shot, as a stack, or as a table."""

from pathlib import Path

import numpy as np

from ..errors import ShotNumberError
from ..writing.journal import journal_path
from .stacks import STANDARD, Stacks, calibrated_pixels

_SETTINGS = {
    "ccdResolution": "resolution",
    "ccdROI": "roi",
    "ccdExposureTime": "exposure_time",
    "bit_depth_readout": "bit_depth",
    "saturation_value": "saturation_value",
}


def open_scan(path, live=False):
    """Open a scan for reading.

    Parameters
    ----------
    path : str or path
        A closed (or recovered) scan, ``.h5`` or ``.bp``.
    live : bool
        True: a scan that is being written with ``swmr=True``, from its first shot on;
        `Scan.refresh` shows what came since.

    Returns
    -------
    Scan

    Raises
    ------
    FileNotFoundError
        No such file.
    OSError
        The file cannot be read; the message says when `recover` is needed.

    Examples
    --------
    >>> from openpmd_ccd import CCD, open_scan
    >>> with CCD("scan.h5", resolution=5e-6) as scan:
    ...     for number in range(3):
    ...         scan.add(number, [[number, 1], [2, 3]], time=number, metadata={"delay": 0.5})
    >>> scan = open_scan("scan.h5")
    >>> scan.stack().shape, scan.stack().dtype
    ((3, 2, 2), dtype('uint16'))
    >>> scan.table["delay"].tolist(), scan.table["time"].tolist()
    ([0.5, 0.5, 0.5], [0.0, 1.0, 2.0])
    >>> scan.shot(2).settings["resolution"]
    (5e-06, 5e-06)
    >>> scan.close()
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such scan")
    if path.suffix == ".bp":
        from .bp import BpReader

        return Scan(path, BpReader(path))
    try:
        if live:
            from .live import LiveReader as Reader
        else:
            from .h5 import H5Reader as Reader
        return Scan(path, Reader(path))
    except (OSError, RuntimeError, KeyError) as error:
        advice = ""
        if journal_path(path).exists():
            advice = (
                f"; it is still being written (read it with live=True if that is with "
                f"swmr=True), or was left unfinished: run 'openpmd-ccd recover {path}'"
            )
        raise OSError(f"{path} cannot be read: {error}{advice}") from error


class Shot:
    """One shot, read when asked for.

    number: int; time: seconds since 1970-01-01 UTC; metadata: dict as given to `add`;
    settings: dict of resolution (x, y), roi, exposure_time, bit_depth, saturation_value,
    as far as they were given; grid_spacing and grid_offset: metres, along `axes`.
    """

    def __init__(self, reader, number):
        self._reader = reader
        self.number = number
        values = reader.iteration_attributes(number)
        self.time = float(values["time"])
        self.metadata = {k: v for k, v in values.items() if k not in STANDARD}
        mesh = reader.mesh_attributes(number)
        self.settings = {name: _tuple(mesh[key]) for key, name in _SETTINGS.items() if key in mesh}
        self.axes = tuple(mesh["axisLabels"])
        self.grid_spacing = _tuple(mesh["gridSpacing"])
        self.grid_offset = _tuple(mesh["gridGlobalOffset"])

    def __repr__(self):
        return f"<shot {self.number}: {'x'.join(map(str, self.shape))} {self.dtype}>"

    @property
    def components(self):
        """Names of the colour components; empty for a grey image."""
        return self._reader.components(self.number)

    @property
    def shape(self):
        """Shape of `pixels`."""
        shape = self._reader.shape(self.number)
        return (*shape, len(self.components)) if self.components else shape

    @property
    def dtype(self):
        """Type of a pixel."""
        return self._reader.dtype(self.number)

    @property
    def pixels(self):
        """Array [row, column], with pages in front and colour components behind."""
        planes = [self._reader.pixels(self.number, c) for c in self.components or [""]]
        return np.stack(planes, axis=-1) if self.components else planes[0]

    @property
    def raw(self):
        """The same as `pixels`."""
        return self.pixels

    @property
    def unit(self):
        """Unit of `calibrated`; None where there is no calibrated mesh."""
        values = self._reader.calibrated_attributes(self.number)
        return None if values is None else values.get("ccdUnit", "")

    @property
    def calibrated(self):
        """Like `pixels`, in `unit` and as float32; `CalibrationError` where there is none."""
        return calibrated_pixels(self._reader, self)


class Scan(Stacks):
    """A scan that was opened by `open_scan`; also a context manager."""

    def __init__(self, path, reader):
        self.path = path
        self._reader = reader
        self.numbers = reader.numbers()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __len__(self):
        return len(self.numbers)

    def __iter__(self):
        return map(self.shot, self.numbers)

    def __repr__(self):
        return f"<Scan {str(self.path)!r}: {len(self)} shots>"

    @property
    def attributes(self):
        """Attributes of the file: author, machine, date, ccdName, ..."""
        return self._reader.attributes()

    def shot(self, number):
        """The shot with this number; `ShotNumberError` if there is none."""
        if number not in self._reader:
            raise ShotNumberError(f"{self.path} has no shot {number}")
        return Shot(self._reader, int(number))

    def refresh(self):
        """Look for shots that came since; only scans opened with ``live=True`` change."""
        self._reader.refresh()
        self.numbers = self._reader.numbers()

    def close(self):
        """Close the file; harmless when closed already."""
        self._reader.close()


def _tuple(value):
    value = np.asarray(value).tolist()
    return tuple(value) if isinstance(value, list) else value
