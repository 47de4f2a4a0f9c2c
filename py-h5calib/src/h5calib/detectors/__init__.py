"""One module per algorithm. A new detector is one class here and a line below."""

from .agipd import Agipd
from .cell_pedestal import CellPedestal
from .jungfrau import Jungfrau
from .legacy import AgipdV1, AgipdV2, PedestalV1
from .pedestal import Pedestal

__all__ = ["Agipd", "AgipdV1", "AgipdV2", "CellPedestal", "Jungfrau", "Pedestal", "PedestalV1"]
