"""Who is it? A search finds candidates for each probe; the threshold and the negatives decide.

recognition (with negatives, and evidence of the same visit). Inside: looking (pictures), ranking (and 1:1).
"""
