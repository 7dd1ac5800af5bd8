"""Processing of captures: each face in one is matched, remembered as a stranger, or skipped, once.

sightings: timelines, arrivals and reviews. Inside: ingest (the way of a capture), facts (what
its decision needs), changes (what is stored of it), rejection (and of whole visits).
"""
