"""What is left of somebody who was deleted, and what goes by the clock? Erasures, and what is kept no longer.

erasure: of what was deleted before. Inside: retention (of pictures, too), and erasing, whose steps leave no traces.
"""
