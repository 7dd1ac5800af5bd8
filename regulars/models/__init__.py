"""`regulars models` and `regulars reembed`: the model packs, and the change from one to another.

command, reembed.
"""
