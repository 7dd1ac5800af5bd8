"""How is a gallery written as bytes, and read again with as few reads as possible?

segment, loading, delta, scratch.
"""
