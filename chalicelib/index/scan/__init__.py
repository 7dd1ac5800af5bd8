"""Which faces are nearest to a probe? Exact top-k over rows in memory; knows no storage.

scan, coder, fit, kernel; build_kernel compiles kernel.c.
"""
