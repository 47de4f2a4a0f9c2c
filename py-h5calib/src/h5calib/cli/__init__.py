"""The command `h5calib`."""

from __future__ import annotations

import click

from ..version import __version__
from .constants import constants
from .create import create
from .doctor import doctor
from .export import export_command
from .info import info
from .upkeep import clean, new_identity, relink
from .verify import verify_command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """HDF5 datasets that are calibrated detector data, computed when they are read."""


COMMANDS = (
    *(info, create, constants, verify_command, export_command, relink),
    *(new_identity, clean, doctor),
)
for command in COMMANDS:
    main.add_command(command)
