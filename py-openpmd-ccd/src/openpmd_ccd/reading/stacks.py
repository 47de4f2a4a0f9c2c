"""Shots of a scan together: stacks as NumPy, dask or xarray, and a table of metadata."""

import os

import numpy as np

from ..errors import CalibrationError, ImageError, MissingPackageError

STANDARD = {"time", "dt", "timeUnitSI", "closed", "snapshot"}
_CALIBRATED = np.dtype("f4")


class Stacks:
    """The part of `Scan` that takes many shots at once."""

    def stack(self, numbers=None, dask=False, mesh="raw"):
        """All shots, or those in `numbers`, as one array [shot, ...].

        `mesh` is "raw" or "calibrated". With ``dask=True`` a dask array of one chunk per shot,
        read when computed. The shots must have one shape, type and unit, otherwise `ImageError`.
        """
        if mesh not in ("raw", "calibrated"):
            raise ImageError(f'mesh must be "raw" or "calibrated", not {mesh!r}')
        shots = [self.shot(n) for n in (self.numbers if numbers is None else numbers)]
        calibrated = mesh == "calibrated"
        forms = {(s.shape, _CALIBRATED if calibrated else s.dtype) for s in shots}
        if len(forms) != 1:
            raise ImageError(f"{self.path}: shots of {len(forms)} shapes or types are no stack")
        units = {s.unit for s in shots if s.unit is not None} if calibrated else set()
        if len(units) > 1:
            raise ImageError(f"{self.path}: values in {' and '.join(sorted(units))} are no stack")
        ((shape, dtype),) = forms
        if dask:
            return _dask_stack(self.path, shots, mesh, shape, dtype)
        stack = np.empty((len(shots), *shape), dtype)
        for index, shot in enumerate(shots):
            stack[index] = getattr(shot, mesh)
        return stack

    @property
    def raw(self):
        """Stack of the raw counts of all shots."""
        return self.stack()

    @property
    def calibrated(self):
        """Stack of the calibrated values of all shots, float32."""
        return self.stack(mesh="calibrated")

    @property
    def time(self):
        """Times of all shots, seconds since 1970-01-01 UTC."""
        return self.table["time"]

    @property
    def metadata(self):
        """Per-shot metadata: dict of arrays."""
        return {k: v for k, v in self.table.items() if k not in ("number", "time")}

    @property
    def table(self):
        """Per-shot metadata: dict of arrays, "number" and "time" first; ready for pandas.

        Where a shot has no value: NaN for numbers, "" for text.
        """
        rows = [
            {"number": n} | {"time": float(v["time"])} | _metadata(v)
            for n in self.numbers
            for v in [self._reader.iteration_attributes(n)]
        ]
        names = dict.fromkeys(["number", "time"])
        names.update(dict.fromkeys(k for row in rows for k in row))
        return {name: _column([row.get(name) for row in rows]) for name in names}

    def xarray(self, numbers=None, dask=False):
        """An xarray Dataset (extra ``openpmd-ccd[xarray]``): raw, calibrated, time, metadata.

        Dimensions are shot, [page,] y, x [, colour]; y and x are the places of
        the pixels' centres in metres. Shots that differ in resolution, ROI or unit have no
        coordinates or unit in common: `ImageError`, choose `numbers` then.
        """
        try:
            import xarray
        except ImportError:
            raise MissingPackageError(
                "this needs xarray: pip install 'openpmd-ccd[xarray]'"
            ) from None
        numbers = list(self.numbers if numbers is None else numbers)
        first = self.shot(numbers[0])
        _check_alike([self.shot(n) for n in numbers])
        dims = ("shot", *first.axes, *(("colour",) if first.components else ()))
        variables = {"raw": (dims, self.stack(numbers, dask))}
        if all(self.shot(n).unit is not None for n in numbers):
            stack = self.stack(numbers, dask, "calibrated")
            variables["calibrated"] = (dims, stack, {"units": first.unit})
        rows = [self.numbers.index(n) for n in numbers]
        table = {k: ("shot", v[rows]) for k, v in self.table.items()}
        coords = {"shot": table.pop("number"), "time": table.pop("time")}
        grid = zip(first.axes, first.shape, first.grid_spacing, first.grid_offset, strict=False)
        coords |= {
            a: offset + step * (np.arange(n) + 0.5) for a, n, step, offset in grid if a != "page"
        }
        if first.components:
            coords["colour"] = first.components
        return xarray.Dataset(variables | table, coords, {"path": str(self.path)})


def _check_alike(shots):
    """An error if the shots do not lie on one grid, or their calibrated values differ in unit."""
    first = shots[0]
    for shot in shots[1:]:
        for what in ("grid_spacing", "grid_offset", "unit"):
            if getattr(shot, what) != getattr(first, what):
                raise ImageError(
                    f"shots {first.number} and {shot.number} differ in {what} "
                    f"({getattr(first, what)}, {getattr(shot, what)}): choose shots by numbers="
                )


def calibrated_pixels(reader, shot):
    """Calibrated values of a shot; a factor that is in the file's unitSI is applied here."""
    values = reader.calibrated_attributes(shot.number)
    if values is None:
        raise CalibrationError(
            f"shot {shot.number} has no calibrated mesh: give CCD a dark or a flat, or use "
            "'openpmd-ccd calibrate' on the closed scan"
        )
    planes = [reader.calibrated(shot.number, c) for c in shot.components or [""]]
    pixels = np.stack(planes, axis=-1) if shot.components else planes[0]
    if "ccdGain" not in values:
        return pixels
    flat, gain = _CALIBRATED.type(values["ccdFlat"]), _CALIBRATED.type(values["ccdGain"])
    return pixels.astype(_CALIBRATED) / flat * gain


def _metadata(values):
    return {k: v for k, v in values.items() if k not in STANDARD}


def _column(values):
    if any(isinstance(v, str) for v in values):
        return np.array(["" if v is None else str(v) for v in values])
    return np.array([np.nan if v is None else v for v in values])


def _dask_stack(path, shots, mesh, shape, dtype):
    try:
        import dask
        import dask.array as da
    except ImportError:
        raise MissingPackageError("dask=True needs dask: pip install 'openpmd-ccd[dask]'") from None
    # a path and a number, no open file: processes and other machines can open it, too
    place = os.path.abspath(path)
    read = dask.delayed(read_shot, pure=False)
    return da.stack(
        [da.from_delayed(read(place, s.number, mesh, shape), shape, dtype) for s in shots]
    )


def read_shot(path, number, mesh, shape):
    """One shot of the scan at `path`, which is opened for it: what a task of dask runs."""
    from .scan import open_scan

    with open_scan(path) as scan:
        pixels = getattr(scan.shot(number), mesh)
    if pixels.shape != shape:
        raise ImageError(f"{path}: shot {number} has become another one, of shape {pixels.shape}")
    return pixels
