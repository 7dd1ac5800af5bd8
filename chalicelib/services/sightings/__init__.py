"""How does a capture get into the book? Each face in it is matched, remembered as a stranger, or skipped, once.

ingest, rejection, reviews, timeline. Inside: reading and writing, before and after the decision (core/sighting).
"""

from __future__ import annotations
