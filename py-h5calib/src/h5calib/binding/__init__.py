"""What is not Python: libh5calib, the HDF5 plugin and the functions of h5py's own libhdf5.

Knows nothing of calibrations and files.
"""
