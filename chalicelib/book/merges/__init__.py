"""What happens when two faces are one person, and when they are not after all?

merges (with their records, and suggestions). Inside: merging (and its undo), observations (what
happens to statistics).
"""
