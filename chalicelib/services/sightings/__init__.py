"""How does a capture get into the book? Each face in it is resolved, remembered or skipped, once.

ingest, rejection, timeline; sighting, commit, strangers and events are the steps of it.
"""
