"""``python -m openpmd_ccd`` is the command ``openpmd-ccd``."""

from .command.cli import main

main()
