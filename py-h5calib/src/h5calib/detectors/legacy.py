"""The three algorithms of the first h5calib: plain arithmetic, no masks, no parameters.

They exist so that its `create_processed` gives the same numbers. New datasets are better
made with `Pedestal`, `CellPedestal` and `Agipd`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..calibration.base import Calibration, Constant


class PedestalV1(Calibration):
    """`pedestal_v1`: ``raw - pedestal``; the constant is (1, y, x)."""

    algorithm_name = "pedestal_v1"
    legacy = True

    def __init__(self, pedestal: Any) -> None:
        super().__init__({"pedestal": Constant(pedestal, axes="cyx")}, {})

    def rule(self, raw: Any, k: Any, p: Any) -> np.ndarray:
        return raw.astype(k["pedestal"].dtype) - k["pedestal"][0]


class AgipdV1(PedestalV1):
    """`AGIPD_v1`: ``raw - pedestal[cell]``; the constant is (cell, y, x)."""

    algorithm_name = "AGIPD_v1"


class AgipdV2(Calibration):
    """`AGIPD_v2`: raw (frame, y, x, 2), constants (cell, y, x, 8).

    The eight: threshold high/medium, threshold medium/low, pedestal and gain of high,
    of medium and of low gain.
    """

    algorithm_name = "AGIPD_v2"
    legacy = True

    def __init__(self, constants: Any) -> None:
        super().__init__({"constants": Constant(constants, axes="cyxs")}, {})

    def rule(self, raw: Any, k: Any, p: Any) -> np.ndarray:
        constants = k["constants"]
        signal, voltage = (values.astype(constants.dtype) for values in raw)
        stage = np.where(voltage > constants[0], 1, 0)
        stage = np.where(voltage > constants[1], 2, stage)
        pedestal = np.take_along_axis(constants, 2 + 2 * stage[np.newaxis], 0)[0]
        gain = np.take_along_axis(constants, 3 + 2 * stage[np.newaxis], 0)[0]
        return (signal - pedestal) / gain
