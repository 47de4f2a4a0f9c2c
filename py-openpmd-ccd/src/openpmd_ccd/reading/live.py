"""The stacks of a scan that is being written with ``swmr=True``, for `Scan`."""

import h5py

from ..writing.compression import make_readable
from ..writing.swmr import LIVE, TABLES, stack_name
from .h5 import in_order, plain_attributes


class LiveReader:
    """Reads what the writer has shown so far; settings and metadata come with `close`."""

    def __init__(self, path):
        self.file = h5py.File(path, "r", swmr=True)
        if LIVE not in self.file:
            self.file.close()
            raise OSError("no shot was taken yet with swmr=True")
        self._stacks = self.file[LIVE]
        names = set(self._stacks) - set(TABLES)
        self._components = [] if names == {stack_name("")} else in_order(names)
        self.refresh()

    def __contains__(self, number):
        return number in self._index

    def refresh(self):
        """Look for new shots."""
        for stack in self._stacks.values():
            stack.id.refresh()
        length = min(len(stack) for stack in self._stacks.values())
        numbers = self._stacks["number"][:length].tolist()
        self._index = {number: index for index, number in enumerate(numbers)}

    def numbers(self):
        """Shot numbers in ascending order."""
        return sorted(self._index)

    def attributes(self):
        """Attributes of the file."""
        return plain_attributes(self.file)

    def iteration_attributes(self, number):
        """Time only."""
        return {"time": self._stacks["time"][self._index[number]]}

    def mesh_attributes(self, number):
        """Axes in pixels."""
        count = len(self.shape(number))
        labels = ["page", "y", "x"][-count:]
        return {
            "axisLabels": labels, "gridSpacing": [1.0] * count, "gridGlobalOffset": [0.0] * count,
        }  # fmt: skip

    def components(self, number):
        """Component names; empty for grey images."""
        return self._components

    def _stack(self, component):
        return self._stacks[stack_name(component)]

    def shape(self, number):
        """Shape of one component."""
        return self._stack(self._components[0] if self._components else "").shape[1:]

    def dtype(self, number):
        """Type of one component."""
        return self._stack(self._components[0] if self._components else "").dtype

    def pixels(self, number, component):
        """Array of one component."""
        stack = self._stack(component)
        make_readable(stack)
        return stack[self._index[number]]

    def calibrated_attributes(self, number):
        """None: the calibrated mesh comes with `close`."""
        return None

    def close(self):
        """Close the file."""
        self.file.close()
