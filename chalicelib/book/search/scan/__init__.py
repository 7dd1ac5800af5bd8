"""Which faces are nearest to a probe? Exact top-k over rows in memory; knows no storage.

scan, coder; build_kernel compiles kernel.c.
"""
