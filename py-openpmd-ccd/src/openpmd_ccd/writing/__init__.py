"""Writing a scan: shots into HDF5 or ADIOS2, each one safe when it is acknowledged.

The journal, locks and checksums that make it safe live here; reading and recovery use them.
"""
