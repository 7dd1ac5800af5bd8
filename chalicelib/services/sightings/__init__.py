"""How does a capture get into the book? Each face in it is matched, remembered as a stranger, or skipped, once.

sightings: timelines and arrivals. Inside: ingest, rejection, reviews, and reading and writing, before and after
the decision (core/sighting).
"""
