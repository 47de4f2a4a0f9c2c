"""Camera images: whatever a user hands over, as arrays that are stored as they were taken.

Knows nothing of HDF5 files, scans or calibrations.
"""
