"""`regulars models` and `regulars reembed`: the model packs, one of one's own, and the change from
one to another.

command, add (with network, trial and build), reembed.
"""
