"""The command ``openpmd-ccd``."""
