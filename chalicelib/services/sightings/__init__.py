"""How does a capture get into the book? Each face in it is matched, remembered as a stranger, or skipped, once.

sightings: timelines and arrivals. Inside: ingest (the way of a capture), rejection (and of whole visits), reviews.
"""
