"""Snapshots: the binary form of a gallery, which is loaded with as few reads as possible.

segment, loading, delta, scratch.
"""
