"""Stored copies of views, for those who cannot have the plugin."""

from .stored import export

__all__ = ["export"]
