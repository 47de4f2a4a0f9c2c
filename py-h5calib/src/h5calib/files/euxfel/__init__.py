"""Runs of the European XFEL: AGIPD, LPD, DSSC and JUNGFRAU, read with EXtra-data."""

from .files import write_run
from .plan import view

__all__ = ["view", "write_run"]
