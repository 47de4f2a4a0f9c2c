"""The bytes of the file format, version 1: filter parameters and stubs.

`docs/file-format.md` is the contract; this module knows nothing of h5py.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

FILTER_ID = 57836
FORMAT_VERSION = 1
CREATE_FLAG = 1
UNWRITTEN_FLAG = 2  # raw data whose storage was never written is missing
MISSING_FLAG = 4  # there are missing values among the parameters
MISSING_VALUE = 0x10000  # index of the first of them
STUB_SIZE = 16

_STUB_MAGIC = b"H5CS"
_FIXED_WORDS = 12


@dataclass(frozen=True)
class Descriptor:
    """What the filter parameters (``cd_values``) of a dataset say.

    ``parameters`` are pairs (index in the algorithm's list, value), rising; from `MISSING_VALUE`
    on, raw values that stand for no measurement. ``unwritten_is_missing``: so does storage of raw
    data that was never written.
    """

    algorithm: int
    file_uuid: bytes
    dataset_uuid: bytes
    parameters: tuple[tuple[int, float], ...] = ()
    unwritten_is_missing: bool = False

    def encode(self, *, create: bool = False) -> tuple[int, ...]:
        """The 32-bit words; with the flag that only a dataset in creation has."""
        flags = UNWRITTEN_FLAG if self.unwritten_is_missing else 0
        if self.missing_values:
            flags |= MISSING_FLAG
        words = [FORMAT_VERSION, flags, self.algorithm]
        words += struct.unpack("<4I", self.file_uuid)
        words += struct.unpack("<4I", self.dataset_uuid)
        words.append(len(self.parameters))
        for index, value in sorted(self.parameters):
            words += [index, *struct.unpack("<2I", struct.pack("<d", value))]
        check = _crc_of_words(words)
        words[1] |= CREATE_FLAG if create else 0
        return (*words, check)

    @property
    def unwritten(self) -> str:
        """What storage of raw data that was never written is: "missing", or its "fill" value."""
        return "missing" if self.unwritten_is_missing else "fill"

    @property
    def missing_values(self) -> tuple[int, ...]:
        """Raw values that stand for no measurement."""
        return tuple(int(value) for index, value in self.parameters if index >= MISSING_VALUE)

    @classmethod
    def decode(cls, words: Sequence[int]) -> Descriptor:
        """Read the words of a stored dataset; ValueError says what is wrong with them."""
        words = [int(word) for word in words]
        if not words or words[0] != FORMAT_VERSION:
            raise ValueError(
                f"filter parameters of format version {words[0] if words else 0}, this h5calib "
                f"knows version {FORMAT_VERSION}: update h5calib to read this dataset"
            )
        n_parameters = words[11] if len(words) > _FIXED_WORDS else -1
        if len(words) != _FIXED_WORDS + 3 * n_parameters + 1:
            raise ValueError(f"{len(words)} filter parameters do not make a whole descriptor")
        if words[-1] != _crc_of_words([words[0], words[1] & ~CREATE_FLAG, *words[2:-1]]):
            raise ValueError("the check sum of the filter parameters is wrong: they are damaged")
        if unknown := words[1] & ~(CREATE_FLAG | UNWRITTEN_FLAG | MISSING_FLAG):
            raise ValueError(
                f"the dataset uses features this h5calib does not know (flags 0x{unknown:x}): "
                "update h5calib to read it"
            )
        triples = [words[i : i + 3] for i in range(_FIXED_WORDS, len(words) - 1, 3)]
        return cls(
            algorithm=words[2],
            file_uuid=struct.pack("<4I", *words[3:7]),
            dataset_uuid=struct.pack("<4I", *words[7:11]),
            parameters=tuple((i, _double(low, high)) for i, low, high in triples),
            unwritten_is_missing=bool(words[1] & UNWRITTEN_FLAG),
        )


def encode_stub(dataset_uuid: bytes, number: int) -> bytes:
    """The 16 bytes that stand for chunk ``number`` of a dataset."""
    tail = struct.pack("<Q", number)
    return _STUB_MAGIC + struct.pack("<I", zlib.crc32(dataset_uuid + tail)) + tail


def decode_stub(dataset_uuid: bytes, stub: bytes) -> int:
    """The chunk's number; ValueError where the bytes are not a stub of this dataset."""
    if len(stub) != STUB_SIZE or stub[:4] != _STUB_MAGIC:
        raise ValueError(f"{len(stub)} bytes that are not a stub of a calibrated dataset")
    number = struct.unpack("<Q", stub[8:])[0]
    if stub != encode_stub(dataset_uuid, number):
        raise ValueError(f"the stub of chunk {number} is damaged or belongs to another dataset")
    return number


def _crc_of_words(words: Sequence[int]) -> int:
    return zlib.crc32(struct.pack(f"<{len(words)}I", *words))


def _double(low: int, high: int) -> float:
    return struct.unpack("<d", struct.pack("<2I", low, high))[0]
