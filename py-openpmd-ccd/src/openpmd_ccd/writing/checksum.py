"""Checksums of pixels over all bytes, fast enough to be taken for every shot.

"x:" is XXH3 (64 bit) of all bytes. Its seed is made of what else belongs to the pixels: number
and time of the shot, component, shape and type. So pixels that are whole, but lie under another
shot's number, do not match either.

Journals of format 1 have "f:", the CRC-32 of all bytes, up to 64 KiB and with ``fsync=True``,
and "s:", the CRC-32 of one 8-byte word of every 4096 bytes; both are still checked.
"""

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import xxhash

_EVERY = 512
#: length of a checksum of today
LENGTH = 18


def identity(
    *, number: int, time: float, component: str, shape: Sequence[int], dtype: str
) -> bytes:
    """What pixels belong to, for `checksum`; `dtype` is NumPy's text, such as "<u2"."""
    size = "x".join(str(int(n)) for n in shape)
    return f"{int(number)} {float(time)!r} {component} {size} {dtype}".encode()


def checksum(data: Any, belongs_to: bytes = b"") -> str:
    """Checksum of a C-contiguous array or bytes; `belongs_to` comes from `identity`."""
    seed = xxhash.xxh3_64_intdigest(belongs_to) if belongs_to else 0
    return f"x:{xxhash.xxh3_64_intdigest(data, seed):016x}"


def matches(data: Any, expected: str, belongs_to: bytes = b"") -> bool:
    """Whether `data` has the checksum `expected`, of any kind that was ever written."""
    if expected.startswith("x:"):
        return checksum(data, belongs_to) == expected
    data = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data.reshape(-1)
    if expected.startswith("f:"):
        return f"f:{zlib.crc32(data):08x}" == expected
    flat = data.view(np.uint8)
    words = flat[: flat.size // 8 * 8].view(np.uint64)
    return f"s:{zlib.crc32(np.ascontiguousarray(words[::_EVERY])):08x}" == expected


def covers_all(expected: str) -> bool:
    """Whether a checksum was taken over all bytes."""
    return not expected.startswith("s:")
