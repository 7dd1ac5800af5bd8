"""Where are the faces in a picture? Boxes, landmarks and aligned faces.

detect, align. Inside, the detector: frame, yunet.
"""
