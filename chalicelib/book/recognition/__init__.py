"""Recognition: a search finds candidates for each probe; the threshold and the negatives decide.

recognition (with negatives, and evidence of the same visit). Inside: face_analysis (of pictures),
ranking, verification (1:1), stored_pictures (in S3).
"""
