"""Choosing among the maps of gain stages."""

from __future__ import annotations

import numpy as np

STAGE_OF_CODE = np.array([0, 1, 255, 2])  # of two bits of a raw pixel, JUNGFRAU's way


def select(maps: np.ndarray, stage: np.ndarray) -> np.ndarray:
    """The map of each pixel's stage; one map serves all stages, no stage counts as the first."""
    if len(maps) == 1:
        return maps[0]
    stage = np.where(stage < len(maps), stage, 0)
    return np.take_along_axis(maps, stage[np.newaxis], 0)[0]
