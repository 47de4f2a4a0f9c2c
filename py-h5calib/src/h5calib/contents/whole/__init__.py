"""HDF5 files that are made or changed as a whole or not at all, whatever ends the program.

HDF5 writes as it goes: a program that is killed, or a disk that is full, leaves a file that no
program opens. Here HDF5 writes through a `Storage`, which touches nothing of a file that exists.

- A new file is written beside, under a name that begins with a dot, and gets its own at the end.
- A small file is copied, the copy is changed and takes the place of the file at the end.
- A large one grows at its end, behind all that HDF5 knows of; what is to change before that end is
  kept in memory. When all of it is known, it is written down beside (``.NAME.undo``: the bytes
  before and after), then into the file. `recover` puts the old bytes back, should the program be
  killed in between; `changed_file` begins with it.

This folder needs h5py and nothing else: packages may keep a copy.
"""

from .files import SMALL, changed_file, new_file, replaced
from .undo import recover

__all__ = ["SMALL", "changed_file", "new_file", "recover", "replaced"]
