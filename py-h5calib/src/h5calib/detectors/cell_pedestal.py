"""A pedestal for each memory cell."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..calibration.base import Calibration


class CellPedestal(Calibration):
    """Subtract the pedestal of the frame's memory cell: ``raw - pedestal[cell]``.

    Parameters
    ----------
    pedestal : (cell, y, x)
        ADU. A value that is not finite makes its pixel unusable.
    pixel_mask : (cell, y, x) or (y, x) integers, optional
        Not zero in the bits of `mask_bits`: the pixel is unusable.
    **common
        `masked_value` (NaN by default), `mask_bits`, `bad_cell` ("error" or "nan": a frame
        whose memory cell the constants do not have).

    Raw data is (frames..., y, x), any integers or floats.

    Examples
    --------
    >>> import numpy as np
    >>> pedestal = np.array([1.0, 2.0]).reshape(2, 1, 1)
    >>> CellPedestal(pedestal).reference(np.zeros((3, 1, 1)), cell_ids=[1, 0, 1]).ravel()
    array([-2., -1., -2.])
    """

    algorithm_name = "cell_pedestal"

    def __init__(self, pedestal: Any, *, pixel_mask: Any = None, **common: Any) -> None:
        super().__init__({"pedestal": pedestal, "pixel_mask": pixel_mask}, common)

    def rule(self, raw: Any, k: Any, p: Any) -> np.ndarray:
        return raw.astype(k["pedestal"].dtype) - k["pedestal"][0]
