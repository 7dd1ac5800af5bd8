"""Which faces are one person? Strangers who have become surely one are joined, less sure pairs are suggested.

joining. Inside: likeness, which compares faces and decides nothing, and the chore.
"""
