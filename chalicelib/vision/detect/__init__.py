"""Where are the faces in a picture? Boxes, landmarks and aligned faces.

detect, align. Inside, the detectors: frame, networks, yunet, ssd, landmarks.
"""
