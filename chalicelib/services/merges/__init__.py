"""What happens when two faces are one person, and when they are not after all?

merges. Inside: merging, undo, observations (what happens to statistics), records (and suggestions).
"""
