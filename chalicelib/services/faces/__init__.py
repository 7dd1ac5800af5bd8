"""Which faces does a tenant have, and what is a picture good enough to be a face's?

faces, lists, names, portraits, visits
"""
