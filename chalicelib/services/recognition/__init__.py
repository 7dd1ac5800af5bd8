"""Who is it? A search finds candidates for each probe; the threshold and the negatives decide.

recognition, identify, negatives
"""
