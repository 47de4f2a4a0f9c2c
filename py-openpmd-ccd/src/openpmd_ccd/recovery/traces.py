"""Traces of shots in a file that HDF5 cannot open: the checksums that lie beside their pixels."""

import mmap
import re
from pathlib import Path

from ..writing.journal import Contents

_CHECKSUM = re.compile(rb"x:[0-9a-f]{16}(?![0-9a-f])")


def may_hold_more(path: Path, journal: Contents) -> bool:
    """Whether a file has a checksum that its journal does not know: of a shot that is not in it.

    Only files of journals of format 2 have checksums; of others it cannot be told: True.
    """
    if journal.format < 2:
        return journal.damaged > 0
    known = {str(place[0]).encode() for record in journal.shots for place in record["at"]}
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return any(match.group() not in known for match in _CHECKSUM.finditer(data))
