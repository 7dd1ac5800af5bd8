"""Where are the faces in a picture? Boxes, landmarks and aligned faces.

detect, align, landmarks; frame, networks, yunet and ssd are the detectors.
"""
