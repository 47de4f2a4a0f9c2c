"""Creating calibrated datasets: every check first, then writing that can be undone."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import h5py

from ..calibration.base import Calibration
from .plan import make_plan
from .write import write_plan


def create_calibrated_dataset(
    group: h5py.Group,
    name: str,
    raw: Any,
    calibration: Calibration,
    cell_ids: Any = None,
    frames: Any = None,
    chunks: tuple[int, ...] | None = None,
    dtype: Any = None,
    overwrite: bool = False,
    comment: str | None = None,
    digest_raw: bool = False,
    links: str = "auto",
) -> h5py.Dataset:
    """Create a dataset whose values are computed from raw data when it is read.

    Parameters
    ----------
    group : h5py.Group
        Where to create it, in a file open for writing.
    name : str
        Its name in `group`; missing groups in between are created.
    raw : h5py.Dataset, str, (file, path) or pathlib.Path
        The raw data: a dataset of any file, a path in this file, ``"file:/path"`` (the file
        name as for `open`), or the pair of both, where anything may be in a name. Data of another
        file is linked to and only read.
    calibration : Calibration
        `Jungfrau`, `Agipd`, ... with its constants. Arrays are stored in the file, datasets and
        paths are linked to.
    cell_ids : array, h5py.Dataset or place as for `raw`, optional
        The memory cell of each *raw* frame, integers. Needed where constants have several cells.
    frames : array of int or of bool, optional
        The raw frames to take, in this order, or a boolean for each raw frame.
    chunks : tuple of int, optional
        Shape of the chunks. The default has 0.5 to 4 MB: several small frames, in step with the
        chunks of raw, or rows of a large frame.
    dtype : {"f4", "f8"} or integer dtype
        "f4" by default. Integers only where the calibration has a `rounding`; "u1", and nothing
        else, where its `output` is a mask or gain stages.
    overwrite : bool
        Replace a dataset of that name. It survives if the creation fails.
    comment : str, optional
        Text kept with the dataset.
    digest_raw : bool
        Read all raw data once and record its digest, for `verify`.
    links : {"auto", "relative", "absolute"}
        How other files are named in this one. "relative", from the folder of this file: folders
        that hold both can move. "absolute": this file alone can move. "auto" is relative for
        files in the folder of this one or below, and for those below its parent, or the parent of
        that, if this is at least two folders below the root; else absolute.

    Returns
    -------
    h5py.Dataset
        Of shape (frames..., y, x). It can be read, not written.

    Raises
    ------
    KeyError, FileNotFoundError
        Raw data, a constant or cell ids are not where they should be.
    ValueError, TypeError
        Shapes, dtypes, axes, cells or numbers of frames do not fit; `name` exists.
    OSError
        The file is read-only, or the filter plugin was not found.

    The file is left as it was whenever an error is raised.

    Examples
    --------
    >>> import h5py, h5calib, numpy as np
    >>> f = h5py.File("create.h5", "w", driver="core", backing_store=False)
    >>> f["raw"] = np.arange(8, dtype="u2").reshape(2, 2, 2)
    >>> pedestal = h5calib.Pedestal(np.ones((2, 2), "f4"))
    >>> dataset = h5calib.create_calibrated_dataset(f, "calibrated", "raw", pedestal)
    >>> dataset.shape, str(dataset.dtype)
    ((2, 2, 2), 'float32')
    """
    with ExitStack() as files:
        plan = make_plan(
            *(group, name, raw, calibration, cell_ids, frames, chunks, dtype, overwrite, comment),
            digest_raw=digest_raw,
            links=links,
            files=files,
        )
        write_plan(group, plan)
    return group[name]
