"""JUNGFRAU files of PSI and SwissFEL, and PSI's gain maps."""
