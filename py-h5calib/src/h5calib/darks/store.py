"""Constants from dark runs, written in the layouts that `h5calib create` takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

import h5py
import numpy as np

from ..version import __version__
from .statistics import Statistics


def write_constants(
    path: str,
    layout: str,
    modules: Mapping[int | None, tuple[Statistics, np.ndarray]],
    about: Mapping[str, Any],
) -> list[str]:
    """Write pedestal, noise and bad pixels of each module; returns the names of the datasets.

    Parameters
    ----------
    path : path of the new file
    layout : {"euxfel", "swissfel", "plain"}
    modules : number of the module, or None -> its statistics and bad pixels
    about : how they came about, stored as JSON in the attribute `h5calib_dark`
    """
    writer = WRITERS[layout]
    made: list[str] = []
    with h5py.File(path, "x") as file:
        created = datetime.now(timezone.utc).isoformat(timespec="seconds")
        text = {**about, "created": created, "created_by": f"h5calib {__version__}"}
        file.attrs["h5calib_dark"] = json.dumps(text)
        for number, (found, bad) in modules.items():
            group = file if number is None else file.create_group(f"module_{number:02d}")
            for name, values in writer(found, bad).items():
                group[name] = np.ascontiguousarray(values)
                made.append(group[name].name)
    return made


def thresholds(found: Statistics) -> np.ndarray | None:
    """Midway between the mean gain voltages of neighbouring stages, (cell, 2, y, x)."""
    if found.voltage is None or found.voltage.shape[1] < 3:
        return None
    levels: np.ndarray = (found.voltage[:, :-1] + found.voltage[:, 1:]) / 2
    return levels


def _database(found: Statistics, bad: np.ndarray) -> dict[str, np.ndarray]:
    """As the European XFEL's calibration database: (x, y, cell, stage), of DSSC (x, y, cell)."""
    maps = {"Offset": found.mean, "Noise": found.noise, "BadPixelsDark": bad}
    if (levels := thresholds(found)) is not None:
        maps["ThresholdsDark"] = levels
    maps = {name: values.transpose(3, 2, 0, 1) for name, values in maps.items()}
    if found.mean.shape[1] == 1:  # no stages
        maps = {name: values[..., 0] for name, values in maps.items()}
    return maps


def _swissfel(found: Statistics, bad: np.ndarray) -> dict[str, np.ndarray]:
    """A pedestal file: `gains` (stage, y, x) and one `pixel_mask` for all stages."""
    if len(found.mean) > 1:
        raise ValueError(
            f"the layout swissfel has one memory cell, these have {len(found.mean)}: use --layout "
            "plain or euxfel"
        )
    made = found.count[0].any(axis=(1, 2))  # stages that are left out do not make a pixel bad
    mask = np.bitwise_or.reduce(bad[0][made], axis=0).astype("i8")
    return {
        "gains": found.mean[0].astype("f4"),
        "gainsRMS": found.noise[0].astype("f4"),
        "pixel_mask": mask,
    }


def _plain(found: Statistics, bad: np.ndarray) -> dict[str, np.ndarray]:
    maps = {
        "count": found.count,
        "pedestal": found.mean,
        "noise": found.noise,
        "bad_pixels": bad,
    }
    if (levels := thresholds(found)) is not None:
        maps["threshold"] = levels
    if found.mean.shape[1] == 1:  # one stage: (cell, y, x)
        maps = {name: values[:, 0] for name, values in maps.items()}
    return maps


WRITERS: dict[str, Callable[[Statistics, np.ndarray], dict[str, np.ndarray]]] = {
    "euxfel": _database,
    "swissfel": _swissfel,
    "plain": _plain,
}
