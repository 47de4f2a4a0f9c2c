"""What the parts of the writer hand to each other: the camera, its settings, a shot."""

from dataclasses import dataclass, field

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

    resolution: tuple | None = None
    roi: tuple | None = None
    exposure_time: float | None = None
    bit_depth: int | None = None
    saturation_value: float | None = None


@dataclass(frozen=True)
class Storage:
    """How pixels lie in the file: HDF5 filters as ((id, (values, ...)), ...)."""

    filters: tuple = ()


@dataclass
class Shot:
    """One image on its way to the file.

    planes maps a component name (`SCALAR`, or "r", "g", "b", "a") to a C-contiguous
    array in native byte order; all have one shape, named by axes: ("y", "x") or
    ("page", "y", "x"). time is in seconds since 1970-01-01 UTC.
    """

    number: int
    time: float
    planes: dict
    axes: tuple
    settings: Settings
    metadata: dict = field(default_factory=dict)
    calibration: object = None  # CalibrationSet, or None

    @property
    def first(self):
        """Any plane: shape and dtype are the same for all."""
        return next(iter(self.planes.values()))

    @property
    def nbytes(self):
        """Bytes of all pixels."""
        return sum(plane.nbytes for plane in self.planes.values())

    def form(self):
        """What decides the file's template for this shot: hashable."""
        first = self.first
        return Form(tuple(self.planes), self.axes, first.shape, first.dtype.str, self.settings)


@dataclass(frozen=True)
class Form:
    """Everything of a shot but its number, time, metadata and pixel values."""

    components: tuple
    axes: tuple
    shape: tuple
    dtype: str
    settings: Settings
