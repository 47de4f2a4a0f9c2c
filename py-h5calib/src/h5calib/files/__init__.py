"""The files people have: one module for each facility's layout.

Each has a function `view` that looks at raw data and constants and says which calibrated
datasets to create, as a `View`; `write_view` creates them, `write_run` those of a run in one file
for each module. Raw files are only read.
"""

from .euxfel.files import write_run
from .guess import LAYOUTS, guess_layout, plan_view
from .view import Entry, View, write_view

__all__ = ["LAYOUTS", "Entry", "View", "guess_layout", "plan_view", "write_run", "write_view"]
