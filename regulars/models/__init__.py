"""`regulars models` and `regulars reembed`: the model packs, and the change from one to another.

command, reembed. The lab adds `regulars models add`, for a network of one's own.
"""
