"""Merges of two faces that are one person, and their undoing.

merges (with their records, and suggestions). Inside: merging (and its undo), observations (what
happens to statistics).
"""
