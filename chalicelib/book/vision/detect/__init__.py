"""Face detection: boxes, landmarks and aligned faces of a picture.

detect, align. Inside, the detector: frame, yunet.
"""
