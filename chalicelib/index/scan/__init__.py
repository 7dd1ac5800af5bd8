"""Which faces are nearest to a probe? Exact top-k over rows in memory; knows no storage.

scan, coder, kernel; build_kernel compiles kernel.c, fit chooses the coder's scale, best keeps the best.
"""
