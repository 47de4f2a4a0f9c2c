"""All datasets of a group, also those behind links, which h5py's `visititems` leaves out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import h5py


def datasets_in(group: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """The path of each dataset, seen from the group, and the dataset.

    Soft and external links are followed after everything else, each group is entered once, and
    links that lead nowhere are left out. A dataset with several names is there with each.

    Parameters
    ----------
    group : h5py.Group
    """
    entered = {identity(group)}
    waiting: deque[tuple[str, h5py.Group]] = deque([("", group)])
    behind: deque[tuple[str, h5py.Group]] = deque()  # links
    while waiting or behind:
        path, here = (waiting or behind).popleft()
        for name in here:
            linked = not isinstance(here.get(name, getlink=True), h5py.HardLink)
            thing = _opened(here, name)
            if isinstance(thing, h5py.Dataset):
                yield f"{path}{name}", thing
            elif isinstance(thing, h5py.Group) and identity(thing) not in entered:
                if linked:
                    behind.append((f"{path}{name}/", thing))
                else:
                    entered.add(identity(thing))
                    waiting.append((f"{path}{name}/", thing))
        while behind and not waiting and identity(behind[0][1]) in entered:
            behind.popleft()
        if behind and not waiting:
            entered.add(identity(behind[0][1]))


def identity(thing: h5py.Group | h5py.Dataset) -> tuple[int, int]:
    """Equal for the same object of the same file, by whatever name."""
    info = h5py.h5o.get_info(thing.id)
    return info.fileno, info.addr


def _opened(group: h5py.Group, name: str) -> Any:
    """What has this name; None where a link leads nowhere."""
    try:
        return group[name]
    except (KeyError, OSError):
        return None
