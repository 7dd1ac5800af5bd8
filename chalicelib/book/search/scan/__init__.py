"""Exact top-k search for the rows nearest to a probe, in memory. It does no storage IO.

scan, coder; build_kernel compiles kernel.c.
"""
