"""Mending a scan that a crash left behind, from its journal and the pixels in the file."""
