"""DSSC: a pedestal for each memory cell, and a 0 that is 256."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..calibration.base import Calibration


class Dssc(Calibration):
    """DSSC: ``raw - pedestal[cell]``, where a stored 0 stands for 256.

    Parameters
    ----------
    pedestal : (cell, y, x)
        ADU; EuXFEL calls it "Offset". A value that is not finite makes its pixel unusable.
    bad_pixels : (cell, y, x) or (y, x) integers, optional
        Not zero in the bits of `mask_bits`: the pixel is unusable.
    **common
        `masked_value` (NaN by default), `mask_bits`, `bad_cell`, `output` ("value", or "mask").

    Raw data is (frames..., y, x) integers; EuXFEL's (frames, 1, 128, 512) as it is. Source of
    the 256: European-XFEL/EXtra-foam, DsscOffsetPolicy.

    Examples
    --------
    >>> import numpy as np
    >>> Dssc(np.full((1, 1, 2), 40.0)).reference(np.array([[[50, 0]]], "u2"))
    array([[[ 10., 216.]]])
    """

    algorithm_name = "dssc"

    def __init__(self, pedestal: Any, *, bad_pixels: Any = None, **common: Any) -> None:
        super().__init__({"pedestal": pedestal, "bad_pixels": bad_pixels}, common)

    def rule(self, raw: Any, k: Any, p: Any) -> np.ndarray:
        raw = raw.astype(k["pedestal"].dtype)
        return np.where(raw == 0, raw.dtype.type(256), raw) - k["pedestal"][0]
