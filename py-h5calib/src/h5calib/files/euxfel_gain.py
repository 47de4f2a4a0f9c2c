"""JUNGFRAU of the European XFEL: the gain code is in a dataset of its own, beside `adc`.

A calibrated dataset has one raw dataset. Here it is a virtual one of pairs [adc, gain], made of
the two in the raw file; which of three gains a pixel has is then a comparison, as for AGIPD:
0 is G0, 1 is G1, 3 (and the code 2, which does not occur in good data) is G2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import h5py
import numpy as np

from ..calibration import Constant
from .euxfel_run import Part
from .view import make_room, relative_name

THRESHOLDS = (0.5, 1.5)
_CODE_BITS = 0xC000
_SAMPLES = 3


def gain_is_separate(parts: Sequence[Part], gain_from: str | None) -> tuple[bool, str]:
    """Whether the gain is not in the upper bits of `adc`; and a note of why."""
    if gain_from not in (None, "bits", "dataset"):
        raise ValueError(f"gain_from={gain_from!r} is not possible: choose 'bits' or 'dataset'")
    with h5py.File(parts[0].file, "r") as file:
        there = "gain" in file[parts[0].group]
    if gain_from == "dataset" and not there:
        raise ValueError(f"{parts[0].file} has no {parts[0].group}/gain: use gain_from='bits'")
    if gain_from is not None:
        return gain_from == "dataset", f"gain from {gain_from}, as asked for"
    if not there or any(_has_codes(part) for part in parts):
        return False, "gain from bits 15-14 of adc"
    return True, "gain from the dataset gain (adc has no bits above 13); code 2 is taken for G2"


def separate_options() -> dict[str, Constant]:
    """Constants that turn a gain code into a stage."""
    return {"threshold": Constant(np.array(THRESHOLDS, "f4"), "s")}


def pair_name(name: str) -> str:
    """Where the pairs [adc, gain] of a calibrated dataset of that name are."""
    return f"{name.rpartition('/')[0]}/adc_and_gain"


def pair_maker(part: Part, name: str) -> Callable[[h5py.File, bool], None]:
    """A function that makes the virtual dataset of pairs in a view."""

    def make(view: h5py.File, overwrite: bool) -> None:
        make_room(view, name, overwrite)
        with h5py.File(part.file, "r") as raw:
            *frames, ny, nx = raw[part.path].shape
        layout = h5py.VirtualLayout((*frames, 2, ny, nx), "f4")
        where = relative_name(view.filename, part.file)
        for i, (key, dtype) in enumerate((("adc", "u2"), ("gain", "u1"))):
            path = f"{part.group}/{key}"
            source = h5py.VirtualSource(where, path, (*frames, ny, nx), dtype)
            layout[..., i, :, :] = source
        view.create_virtual_dataset(name, layout, fillvalue=np.nan)

    return make


def _has_codes(part: Part) -> bool:
    """Whether some of the frames have bits above 13."""
    with h5py.File(part.file, "r") as file:
        data = file[part.path]
        chosen = np.linspace(0, len(data) - 1, min(_SAMPLES, len(data))).astype(int)
        return any((data[i].astype("u2") & _CODE_BITS).any() for i in chosen)
