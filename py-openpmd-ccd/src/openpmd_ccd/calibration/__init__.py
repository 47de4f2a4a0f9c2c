"""The mesh `calibrated` beside `raw`: its constants, unit and darks, and h5calib, which makes it.

The only room that uses h5calib, which need not be installed.
"""
