"""What happens when two faces are one person, and when they are not after all?

merge, undo, moving, records, chores; plan decides and writes nothing.
"""
