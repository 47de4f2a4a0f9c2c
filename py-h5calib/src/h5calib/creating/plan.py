"""Everything that is checked before a calibrated dataset is created."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from ..binding import plugin as _plugin
from ..calibration.axes import length_of, resolve_axes, to_csyx
from ..calibration.base import Calibration
from ..calibration.memory import try_out
from ..contents.file_names import check_links
from ..contents.place import place_of
from ..contents.sources import Source, open_source
from .checks import (
    check_cell_range,
    check_frames,
    check_no_slope,
    check_not_own_source,
    check_out_dtype,
    check_raw_dtype,
    check_target,
)
from .chunks import check_chunks, default_chunks


@dataclass(frozen=True, eq=False)
class Plan:
    """A calibrated dataset that can be written: all of it has been checked."""

    name: str
    calibration: Calibration
    raw: Source
    constants: dict[str, tuple[Source, str]]  # with the order of the axes
    cell_ids: Source | None
    frames: np.ndarray | None
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype
    comment: str | None
    digest_raw: bool


def make_plan(
    group: h5py.Group,
    name: str,
    raw: Any,
    calibration: Calibration,
    cell_ids: Any,
    frames: Any,
    chunks: Any,
    dtype: Any,
    overwrite: bool,
    comment: str | None,
    *,
    digest_raw: bool = False,
    links: str = "auto",
    files: ExitStack,
) -> Plan:
    """Check what the caller wants; files opened for it are closed with `files`."""
    check_target(group, name, calibration, overwrite)
    check_links(links)
    _plugin.require()
    raw_source = open_source(group, _not_an_array(raw), "raw data", files, links)
    algorithm = calibration.algorithm
    frame_axes, ny, nx = algorithm.split_raw_shape(raw_source.data.shape)
    check_raw_dtype(algorithm, raw_source.data.dtype)
    constants = open_constants(group, calibration, ny, nx, files, links)
    selected = None if frames is None else check_frames(frames, frame_axes)
    cells = open_cell_ids(
        group, calibration, constants, cell_ids, frame_axes, selected, files, links
    )
    axes = frame_axes if selected is None else (len(selected), *frame_axes[1:])
    shape = (*axes, ny, nx)
    out = check_out_dtype(calibration, dtype)
    stages = {
        name: (source.data.dtype, length_of("s", source.data.shape, axes))
        for name, (source, axes) in constants.items()
    }
    try_out(calibration, stages, raw_source.data.dtype, out)
    check_not_own_source(group, name, [raw_source, *(source for source, _ in constants.values())])
    return Plan(
        name=name,
        calibration=calibration,
        raw=raw_source,
        constants=constants,
        cell_ids=cells,
        frames=selected,
        shape=shape,
        chunks=_chunks(calibration, chunks, shape, out, raw_source, selected is None),
        dtype=out,
        comment=comment,
        digest_raw=digest_raw,
    )


def open_constants(
    group: h5py.Group,
    calibration: Calibration,
    ny: int,
    nx: int,
    files: ExitStack,
    links: str = "auto",
) -> dict[str, tuple[Source, str]]:
    """Find the constants and the order of their axes."""
    found = {}
    for name, constant in calibration.constants.items():
        source = open_source(group, constant.source, f"constant {name!r}", files, links)
        check_no_slope(name, source.data)
        spec = calibration.algorithm.constants[name]
        found[name] = source, resolve_axes(spec, source.data.shape, ny, nx, constant.axes)
    cells = {
        name: length_of("c", source.data.shape, axes) for name, (source, axes) in found.items()
    }
    if len(set(cells.values()) - {1}) > 1:
        lengths = ", ".join(f"{name} {length}" for name, length in cells.items())
        raise ValueError(f"the constants differ in their number of memory cells: {lengths}")
    calibration.check_values(flats_of(calibration, found, ny, nx))
    return found


def flats_of(
    calibration: Calibration, found: dict[str, tuple[Source, str]], ny: int, nx: int
) -> dict[str, np.ndarray]:
    """The values of constants that are looked at before a view is made: few, and of few frames."""
    names = calibration.looked_at()
    return {
        name: to_csyx(np.asarray(source.data[()]), axes, ny, nx)
        for name, (source, axes) in found.items()
        if name in names
    }


def open_cell_ids(
    group: h5py.Group,
    calibration: Calibration,
    constants: dict[str, tuple[Source, str]],
    given: Any,
    frame_axes: tuple[int, ...],
    selected: np.ndarray | None,
    files: ExitStack,
    links: str,
) -> Source | None:
    """Find the cell ids; check their number and that the constants have these cells."""
    n_cells = max((length_of("c", s.data.shape, axes) for s, axes in constants.values()), default=1)
    if given is None:
        if n_cells > 1:
            raise ValueError(
                f"the constants have {n_cells} memory cells: give cell_ids, the cell of each frame"
            )
        return None
    source = open_source(group, given, "cell_ids", files, links)
    if source.data.dtype.kind not in "iu":
        raise TypeError(f"cell_ids have dtype {source.data.dtype}: give integers")
    count = math.prod(frame_axes)
    if math.prod(source.data.shape) != count:
        raise ValueError(
            f"cell_ids of shape {source.data.shape} for {count} raw frames: give one for each"
        )
    cells = source.read().reshape(-1)
    check_cell_range(calibration, cells if selected is None else cells[selected], n_cells)
    return source if isinstance(source.data, h5py.Dataset) else Source(cells, None, source.text)


def _not_an_array(raw: Any) -> Any:
    if isinstance(raw, h5py.Dataset) or place_of(raw, "raw data") is not None:
        return raw
    raise TypeError(
        f"raw is a {type(raw).__name__}: give a dataset, a path in the file or 'file:/path'; "
        "for an array in memory there is h5calib.calibrate"
    )


def _chunks(
    calibration: Calibration,
    chunks: Any,
    shape: tuple[int, ...],
    dtype: np.dtype,
    raw: Source,
    same_frames: bool,
) -> tuple[int, ...]:
    whole = calibration.whole_frame
    if chunks is not None:
        return check_chunks(chunks, shape, dtype.itemsize, whole_frame=whole)
    granules = None
    if same_frames and raw.data.chunks:
        granules = calibration.algorithm.without_pair(raw.data.chunks)
    return default_chunks(shape, dtype.itemsize, whole_frame=whole, raw_chunks=granules)
