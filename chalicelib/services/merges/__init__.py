"""What happens when two faces are one person, and when they are not after all?

merge, undo, observations (what happens to statistics), records, chores. Inside: plan, which decides and writes nothing.
"""
