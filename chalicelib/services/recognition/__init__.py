"""Who is it? Probes are searched, and each candidate is held against the threshold and the negatives.

recognition, identify, negatives
"""
