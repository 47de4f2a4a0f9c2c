"""One module per algorithm. A new detector is one class here and a line below."""

from .agipd import Agipd
from .ccd import Ccd
from .cell_pedestal import CellPedestal
from .dssc import Dssc
from .epix10ka import Epix10ka
from .epix100 import Epix100
from .flat_field import FlatField
from .jungfrau import Jungfrau
from .legacy import AgipdV1, AgipdV2, PedestalV1
from .linear import Linear
from .lpd import Lpd
from .pedestal import Pedestal
from .photon_counting import PhotonCounting

__all__ = [
    "Agipd",
    "AgipdV1",
    "AgipdV2",
    "Ccd",
    "CellPedestal",
    "Dssc",
    "Epix10ka",
    "Epix100",
    "FlatField",
    "Jungfrau",
    "Linear",
    "Lpd",
    "Pedestal",
    "PedestalV1",
    "PhotonCounting",
]
