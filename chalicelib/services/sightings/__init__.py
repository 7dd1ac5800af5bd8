"""How does a capture get into the book? Each face in it is resolved, remembered or skipped, once.

ingest, rejection, timeline. Inside, the steps of it: sighting, commit, strangers, events.
"""
