"""``python -m openpmd_ccd`` is the command ``openpmd-ccd``."""

from .cli import main

main()
