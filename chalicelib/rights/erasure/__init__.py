"""Which traces of deleted people are erased, and what ends by the clock? Erasures, and retention.

erasure: of what was deleted before. Inside: retention (of pictures, too), and erasing, whose steps leave no traces.
"""
