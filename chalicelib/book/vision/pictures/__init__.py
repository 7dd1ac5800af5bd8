"""Decoding of bytes into an upright picture, and crops of faces.

image, crop, planes. Inside: containers.
"""
