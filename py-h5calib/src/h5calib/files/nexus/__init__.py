"""NXmx and NXdata files."""
