"""Bytes of a file before and after a change, kept beside it until the change is whole."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from .beside import lock

_MAGIC = b"h5calib undo 1\n"


@dataclass(frozen=True)
class Block:
    """So many bytes from an offset on, before and after."""

    offset: int
    before: bytes
    after: bytes


def journal_of(path: str) -> str:
    """The name of the file beside `path` that keeps what is being changed."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.undo")


def reserve(file: BinaryIO, blocks: Iterable[Block]) -> None:
    """Have room for blocks where the file has holes; OSError where there is none."""
    if not hasattr(os, "posix_fallocate"):
        return
    for block in blocks:
        try:
            os.posix_fallocate(file.fileno(), block.offset, len(block.before))
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                raise


def write_journal(path: str, size: int, blocks: Sequence[Block]) -> None:
    """Keep the blocks of the file, which had that size; on the disk when this returns."""
    payload = b"".join(block.before + block.after for block in blocks)
    header = {
        "size": size,
        "blocks": [[block.offset, len(block.before)] for block in blocks],
        "sha256": hashlib.sha256(payload).hexdigest(),
    }
    journal = journal_of(path)
    temporary = f"{journal}.part"
    try:
        with open(temporary, "wb") as file:
            file.write(_MAGIC + json.dumps(header).encode() + b"\n" + payload)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, journal)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def read_journal(path: str) -> tuple[int, list[Block]]:
    """The size before, and the blocks; ValueError where the journal is damaged."""
    with open(journal_of(path), "rb") as file:
        text = file.read()
    magic, header, payload = text.split(b"\n", 2)
    found = json.loads(header)
    if magic + b"\n" != _MAGIC or hashlib.sha256(payload).hexdigest() != found["sha256"]:
        raise ValueError("it is damaged")
    blocks, at = [], 0
    for offset, length in found["blocks"]:
        before, after = payload[at : at + length], payload[at + length : at + 2 * length]
        blocks.append(Block(offset, before, after))
        at += 2 * length
    return int(found["size"]), blocks


def remove_journal(path: str) -> None:
    """The change is whole, or undone."""
    os.unlink(journal_of(path))


def undo(file: BinaryIO, size: int, blocks: Sequence[Block]) -> None:
    """Put back the bytes, which needs no room: they are there."""
    write_all(file, [(block.offset, block.before) for block in blocks])
    file.truncate(size)
    os.fsync(file.fileno())


def recover(path: str | os.PathLike[str]) -> bool:
    """Make a file what it was before a change that was interrupted; True where there was one.

    OSError where the file is not the one that was being changed, or cannot be written.
    """
    path = os.path.realpath(path)
    if not os.path.exists(journal_of(path)):
        return False
    try:
        with open(path, "r+b", buffering=0) as file:
            lock(cast(BinaryIO, file), path)
            _undo_what_was_left(path, cast(BinaryIO, file))
    except BlockingIOError:
        raise  # another program is at it
    except (OSError, ValueError, KeyError) as error:
        raise OSError(
            f"{journal_of(path)} was left by a change of {path} that was interrupted, and cannot "
            f"be undone ({error}): remove it if {path} is whole"
        ) from error
    return True


def _undo_what_was_left(path: str, file: BinaryIO) -> None:
    size, blocks = read_journal(path)
    now = [read_at(file, block.offset, len(block.before)) for block in blocks]
    if any(found != block.after for found, block in zip(now, blocks, strict=True)):
        if os.fstat(file.fileno()).st_size < size or not all(map(_between, now, blocks)):
            raise ValueError("the file is another one now")
        undo(file, size, blocks)
    remove_journal(path)  # where all is new, the change was whole


def write_all(file: BinaryIO, pieces: Iterable[tuple[int, bytes | memoryview]]) -> None:
    """Write (offset, bytes) pieces into an unbuffered file, all of each."""
    for offset, data in pieces:
        file.seek(offset)
        rest = memoryview(data)
        while len(rest):
            rest = rest[file.write(rest) :]


def _between(found: bytes, block: Block) -> bool:
    """Whether bytes are, one by one, those before or after."""
    triples = zip(found, block.before, block.after, strict=False)
    return len(found) == len(block.before) and all(f in (b, a) for f, b, a in triples)


def read_at(file: BinaryIO, offset: int, length: int) -> bytes:
    """Bytes of an unbuffered file, fewer only at its end."""
    file.seek(offset)
    pieces = []
    while length and (piece := file.read(length)):
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)
