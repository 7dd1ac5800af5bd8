"""Description of a face: its embedding, attributes, pose, quality, beauty and liveness.

embed, attributes, pose, quality, beauty, liveness
"""
