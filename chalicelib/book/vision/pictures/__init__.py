"""How do bytes become an upright picture, and a face a crop of it?

image, crop, planes. Inside: containers.
"""
