"""A calibration in memory: base class, axes of constants, compiled kernels, NumPy reference.

Knows nothing of calibrated datasets and the files that hold them.
"""

from .base import Calibration, Constant, algorithms

__all__ = ["Calibration", "Constant", "algorithms"]
