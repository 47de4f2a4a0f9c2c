"""`CCD`: the shots of one camera as an openPMD file."""

import atexit
import os
import sys
import threading
import time as clock
import weakref
from dataclasses import replace

import numpy as np

from .. import checks
from ..errors import AccessError, ScanClosedError, SettingError
from .safety import clean_path, prepare
from .shot import Camera, Settings, Shot

_SETTINGS = ("resolution", "roi", "exposure_time", "bit_depth", "saturation_value")


class CCD:
    """Write the shots of one camera to one openPMD file.

    Parameters
    ----------
    file_path : str or path
        File to write. Blanks and characters that some systems forbid become ``_``. A name
        that ends in ``.bp`` writes ADIOS2 (extra ``openpmd-ccd[adios2]``), others HDF5.
    overwrite : bool
        Replace an existing file. Without it, an existing file is an error.
    create_directory : bool
        Create missing folders of `file_path`.
    name, model, serial, operator : str, optional
        The camera's name in the setup, its model, its serial number, and who takes the
        shots, as ``First Last <e-mail>`` (several are separated by commas).
    resolution : float or (x, y), optional
        Size of a pixel in the image plane, in metres per pixel. The file holds (dy, dx).
    roi : (x, y, width, height), optional
        Region of interest on the chip, in pixels; x, y is its first pixel.
    exposure_time : float, optional
        Exposure time in seconds.
    swmr : bool, optional
        Let h5py read the shots while they are taken; see `openpmd_ccd.writing.swmr`.
    compression : None, "gzip", "bitshuffle", "blosc2" or a filter of hdf5plugin
        None, the default, is fastest and read by everything.
    bit_depth : int, optional
        Significant bits of a pixel (attribute ``bit_depth_readout``); read from PNG files.
    saturation_value : float, optional
        Counts at which a pixel saturates (attribute ``saturation_value``).
    blocking : bool
        False: `add` copies the image and returns, a thread writes it. A shot is safe when
        `flush` or `close` has returned. An error of a deferred write comes out of the next
        call, and out of `close`.
    queue_size : int
        Shots that may wait when ``blocking=False``.
    when_full : "wait" or "raise"
        What `add` does when that many wait: wait for room (nothing is lost), or raise
        `QueueFullError` (the new shot is not taken).
    fsync : bool
        True: wait for the disk at each shot, so that a shot also survives a power cut.
    dtype : numpy dtype, optional
        Type for images given as lists; by default the first of uint16, int32, uint32,
        int64, uint64, float64 that holds all values.
    dark, flat : number, array [y, x] or [y, x, colour], or path, optional
        Give each shot a mesh ``calibrated`` beside ``raw``, ``(raw - dark) / flat * gain`` in
        float32, computed when it is read (extra ``openpmd-ccd[h5calib]``). A path is an image,
        an HDF5 file made by ``openpmd-ccd dark``, or ``"file.h5:/dataset"``. The flat is
        divided by as it is; 0 or NaN in it, or NaN in the dark, make NaN. Without a dark, and
        with a number as flat, the mesh is a plain virtual dataset of raw with a `unitSI`.
    gain : float, optional
        `unit` per count.
    unit : str, optional
        Unit of the calibrated values, such as ``"mJ/cm^2"`` or ``"electrons"``.
    calibration : h5calib.Calibration, optional
        In place of dark, flat and gain: any algorithm of h5calib with its constants.
    lock : "file" or "none"
        "none" on a file system without locks, where opening raises `NoLocksError`. The cost:
        nothing keeps a second writer, or a `recover`, away while this scan is written, and two
        at once destroy it. The journal and `recover` work as ever.

    Raises
    ------
    ScanExistsError, ScanBusyError, NoLocksError, DirectoryMissingError, AccessError, SettingError,
    CalibrationError, MissingPackageError

    Examples
    --------
    >>> import numpy as np
    >>> from openpmd_ccd import CCD, open_scan
    >>> with CCD("cam.h5", name="far field", resolution=(5e-6, 4e-6)) as scan:
    ...     scan.add(0, np.zeros((3, 4), "uint16"))
    ...     scan.recalibrate(exposure_time=1e-3)
    ...     scan.add(1, [[1, 2], [3, 4]], metadata={"pump_energy": 1.5})
    >>> with open_scan("cam.h5") as scan:
    ...     scan.numbers, scan.shot(1).pixels.tolist(), scan.shot(1).metadata
    ([0, 1], [[1, 2], [3, 4]], {'pump_energy': 1.5})
    """

    def __init__(
        self, file_path, overwrite=False, create_directory=True,
        name=None, model=None, serial=None, operator=None,
        resolution=None, roi=None, exposure_time=None, swmr=None, *,
        compression=None, bit_depth=None, saturation_value=None,
        blocking=True, queue_size=8, when_full="wait", fsync=False, dtype=None,
        dark=None, flat=None, gain=None, unit=None, calibration=None, lock="file",
    ):  # fmt: skip
        given = {"name": name, "model": model, "serial": serial, "operator": operator}
        self._camera = Camera(**{k: checks.text(v, k) for k, v in given.items()})
        self._settings = _updated(
            Settings(), resolution=resolution, roi=roi, exposure_time=exposure_time,
            bit_depth=bit_depth, saturation_value=saturation_value,
        )  # fmt: skip
        self._constants = self._calibration = None
        self._dtype = None if dtype is None else np.dtype(dtype)
        _check_queue(queue_size, when_full)
        self._calibrate_with(dark=dark, flat=flat, gain=gain, unit=unit, calibration=calibration)
        self.path = clean_path(file_path)
        prepare(self.path, overwrite, create_directory)
        self._lock = threading.RLock()
        self._numbers = set()
        self._pid = os.getpid()
        self._background = None
        if self._calibration is not None and self.path.suffix == ".bp":
            raise SettingError("calibrated meshes need HDF5: let the file name end in .h5")
        self._writer = _open_writer(
            self.path, self._camera, compression, bool(overwrite), bool(fsync), bool(swmr), lock
        )
        if not blocking:
            self._start_thread(queue_size, when_full)
        _OPEN.add(self)
        # the last to be registered is the first to run: h5py, imported late, takes down what the
        # writing thread uses
        atexit.unregister(_close_all)
        atexit.register(_close_all)

    def _calibrate_with(self, **given):
        """A new set of constants where any of `given` is not None."""
        if all(value is None for value in given.values()):
            return
        from ..calibration import settings as calibration

        values = calibration.updated(self._constants, given)
        self._calibration = calibration.make(values)
        self._constants = values

    def _start_thread(self, queue_size, when_full):
        from .background import Background

        self._background = Background(
            self._writer.write, queue_size, when_full, self._numbers.discard
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        state = "closed" if self.closed else f"{len(self._numbers)} shots"
        return f"<CCD {str(self.path)!r}: {state}>"

    @property
    def closed(self):
        """Whether the scan is closed."""
        return self._writer is None

    @property
    def safe(self):
        """Numbers of the shots that are safe from a kill of the process, in order of writing."""
        return list(self._writer.safe) if self._writer else []

    @property
    def waiting(self):
        """Number of shots in the queue of a non-blocking scan."""
        return self._background.waiting if self._background else 0

    def check(self):
        """Raise what a deferred write failed with, and `ScanClosedError` after `close`."""
        with self._lock:
            self._check_open()

    def _check_open(self):
        if self._writer is None:
            raise ScanClosedError(f"{self.path} is closed")
        if os.getpid() != self._pid:
            raise ScanClosedError(f"{self.path} was opened in another process")
        if self._background:
            self._background.raise_deferred()

    def add(
        self, image_number, image_data=None, image_path=None, *,
        time=None, metadata=None, axes=None, orientation=None,
    ):  # fmt: skip
        """Add one image.

        Parameters
        ----------
        image_number : int
            Number of the shot: whole, >= 0, not in the scan yet.
        image_data : array, list of lists, path, bytes, open file or PIL image
            Pixels as [row, column]; colour as [row, column, 3 or 4]; several pages as
            [page, row, column]. bool becomes uint8, float16 float32, and any byte order
            the machine's; all other integer and float types are kept.
        image_path : str or path
            Image file, used when `image_data` is not given or empty.
        time : float, datetime or datetime64, optional
            When the image was taken: seconds since 1970-01-01 UTC, or a datetime (without
            a time zone: local time). By default, when `add` was called.
        metadata : dict, optional
            Numbers, bools and strings, stored as attributes of the iteration.
        axes : "yx", "yxc", "pyx" or "pyxc", optional
            Meaning of the axes of `image_data` where the shape is ambiguous.
        orientation : "apply", optional
            Turn and mirror the image as its file says (EXIF, TIFF). By default the pixels stay
            as they lie in the file, and its orientation becomes metadata.

        Raises
        ------
        ShotNumberError, ImageError, SettingError, DiskFullError, FileVanishedError,
        WriteError, QueueFullError, ScanClosedError
        """
        now = clock.time()
        with self._lock:
            self._check_open()
            number = checks.shot_number(image_number, self._numbers)
            when = now if time is None else checks.timestamp(time)
            extra = checks.metadata(metadata)
            image = self._decode(image_data, image_path, axes, orientation)
            settings = self._settings
            if image.bit_depth and settings.bit_depth is None:
                settings = replace(settings, bit_depth=image.bit_depth)
            shot = Shot(
                number, when, image.planes, image.axes, settings, image.metadata | extra,
                self._calibration,
            )  # fmt: skip
            if self._calibration is not None:
                self._calibration.check(shot)
            self._numbers.add(number)
            try:
                self._hand_over(shot, image.owned)
            except BaseException:
                self._numbers.discard(number)
                raise

    def _decode(self, data, path, axes, orientation):
        from ..images import planes as images

        if images.is_missing(data):
            data = path
        return images.decode(data, axes, self._dtype, orientation)

    def _hand_over(self, shot, owned):
        if self._background is None:
            self._writer.write(shot)
            return
        if not owned:
            copy = self._background.buffers.copy
            shot.planes = {name: copy(plane) for name, plane in shot.planes.items()}
        self._background.put(shot)

    def recalibrate(
        self, resolution=None, roi=None, exposure_time=None, *,
        bit_depth=None, saturation_value=None,
        dark=None, flat=None, gain=None, unit=None, calibration=None,
    ):  # fmt: skip
        """Change what holds from the next shot on; what is not given stays as it is.

        With `dark`, `flat`, `gain`, `unit` or `calibration` a new set of constants begins;
        the shots before keep theirs. ``calibration=False`` ends it: raw only.
        """
        with self._lock:
            self._check_open()
            given = {"dark": dark, "flat": flat, "gain": gain}
            given |= {"unit": unit, "calibration": calibration}
            if any(value is not None for value in given.values()):
                self._writer.check_new_calibration()
            self._calibrate_with(**given)
            self._settings = _updated(
                self._settings, resolution=resolution, roi=roi, exposure_time=exposure_time,
                bit_depth=bit_depth, saturation_value=saturation_value,
            )  # fmt: skip

    def calibrate_from_shots(self, first, last):
        """Make the dark from the shots `first` to `last` of this scan, for those to come.

        The sigma-clipped mean of each pixel, NaN for bad pixels; the flat, gain and unit stay.
        Returns the number of shots and of bad pixels.
        """
        with self._lock:
            self.flush()
            self._writer.check_new_calibration()
            from ..calibration.dark import average_written, masked

            dark, bad, count = average_written(self._writer, first, last)
            self._calibrate_with(dark=masked(dark, bad))
            return count, int(bad.sum())

    def flush(self):
        """Return when all shots added so far are safe from a kill of the process."""
        with self._lock:
            if self._writer is not None and self._background:
                self._background.drain()
            self._check_open()
            self._writer.flush()

    def close(self):
        """Write what waits and close the file; raises what a deferred write failed with."""
        with self._lock:
            writer, self._writer = self._writer, None
            if writer is None or os.getpid() != self._pid:
                return
            _OPEN.discard(self)
            errors = []
            if self._background:
                self._background.stop()
                errors = self._background.errors
            try:
                writer.close()
            finally:
                if errors:
                    raise errors[0]


def _updated(settings, **given):
    """Settings with all given values checked and replaced."""
    new = {k: getattr(checks, k)(v) for k, v in given.items() if v is not None}
    return replace(settings, **new)


def _check_queue(size, when_full):
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise SettingError(f"queue_size must be a whole number >= 1, not {size!r}")
    if when_full not in ("wait", "raise"):
        raise SettingError(f'when_full must be "wait" or "raise", not {when_full!r}')


def _open_writer(path, camera, compression, overwrite, fsync, swmr, lock):
    try:
        if path.suffix == ".bp":
            from .adios import AdiosWriter

            return AdiosWriter(path, camera, compression, overwrite, fsync, swmr, lock)
        from .compression import storage

        if swmr:
            from .swmr import SwmrWriter as Writer
        else:
            from .writer import Hdf5Writer as Writer
        return Writer(
            path, camera, storage(compression), overwrite=overwrite, fsync=fsync, lock=lock
        )
    except PermissionError as error:
        raise AccessError(f"{path} cannot be written: {error.strerror or error}") from error


#: scans to be closed when the interpreter ends
_OPEN = weakref.WeakSet()


def _close_all():
    for scan in list(_OPEN):
        try:
            scan.close()
        except Exception as error:  # nobody can catch it any more; the journal stays for `recover`
            print(f"openpmd-ccd: {error}", file=sys.stderr)
