"""Which faces are one user, whom a search finds by all of them together?"""
