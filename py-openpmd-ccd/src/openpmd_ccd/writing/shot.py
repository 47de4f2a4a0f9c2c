"""What the parts of the writer hand to each other: the camera, its settings, a shot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .checksum import checksum, identity

if TYPE_CHECKING:
    from ..calibration.settings import CalibrationSet

#: pixels of one component
Plane = np.ndarray[Any, Any]

#: name of the only component of a grey image
SCALAR = ""


@dataclass(frozen=True)
class Camera:
    """Who took the scan with what; written once, at the root of the file."""

    name: str = "unknown"
    model: str = "unknown"
    serial: str = "unknown"
    operator: str = "unknown"


@dataclass(frozen=True)
class Settings:
    """What holds for a shot until `recalibrate` changes it.

    resolution (x, y) in metres per pixel; roi (x, y, width, height) in pixels;
    exposure_time in seconds; bit_depth in bits; saturation_value in counts.
    """

    resolution: tuple[float, float] | None = None
    roi: tuple[float, float, float, float] | None = None
    exposure_time: float | None = None
    bit_depth: int | None = None
    saturation_value: float | None = None


@dataclass(frozen=True)
class Storage:
    """How pixels lie in the file: HDF5 filters as ((id, (values, ...)), ...)."""

    filters: tuple[tuple[int, tuple[int, ...]], ...] = ()


@dataclass
class Shot:
    """One image on its way to the file.

    planes maps a component name (`SCALAR`, or "r", "g", "b", "a") to a C-contiguous
    array in native byte order; all have one shape, named by axes: ("y", "x") or
    ("page", "y", "x"). time is in seconds since 1970-01-01 UTC.
    """

    number: int
    time: float
    planes: dict[str, Plane]
    axes: tuple[str, ...]
    settings: Settings
    metadata: dict[str, Any] = field(default_factory=dict)
    calibration: CalibrationSet | None = None

    @property
    def first(self) -> Plane:
        """Any plane: shape and dtype are the same for all."""
        return next(iter(self.planes.values()))

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels."""
        return sum(plane.nbytes for plane in self.planes.values())

    def form(self) -> Form:
        """What decides the file's template for this shot: hashable."""
        first = self.first
        return Form(tuple(self.planes), self.axes, first.shape, first.dtype.str, self.settings)

    def checksums(self) -> list[str]:
        """Checksum of each plane, in order."""
        return [
            checksum(
                plane,
                identity(
                    number=self.number, time=self.time, component=component,
                    shape=plane.shape, dtype=plane.dtype.str,
                ),
            )
            for component, plane in self.planes.items()
        ]  # fmt: skip


@dataclass(frozen=True)
class Form:
    """Everything of a shot but its number, time, metadata and pixel values."""

    components: tuple[str, ...]
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    settings: Settings
