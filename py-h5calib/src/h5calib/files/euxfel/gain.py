"""JUNGFRAU of the European XFEL: the gain code is in a dataset of its own, beside `adc`.

A calibrated dataset has one raw dataset. Here it is a virtual one of pairs [adc, gain], made of
the two in the raw file; which of three gains a pixel has is then a comparison, as for AGIPD:
0 is G0, 1 is G1, 3 (and the code 2, which does not occur in good data) is G2.
"""

from __future__ import annotations

from collections.abc import Sequence

import h5py
import numpy as np

from ...calibration.base import Constant
from .run import Part

THRESHOLDS = (0.5, 1.5)
KEYS = ("adc", "gain")
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


def _has_codes(part: Part) -> bool:
    """Whether some of the frames have bits above 13."""
    with h5py.File(part.file, "r") as file:
        data = file[part.path]
        chosen = np.linspace(0, len(data) - 1, min(_SAMPLES, len(data))).astype(int)
        return any((data[i].astype("u2") & _CODE_BITS).any() for i in chosen)
