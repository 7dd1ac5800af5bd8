"""How does a capture get into the book? Each face in it is matched, remembered as a stranger, or skipped, once.

ingest, rejection, reviews, timeline. Inside, the steps of ingest: sighting, strangers.
"""
