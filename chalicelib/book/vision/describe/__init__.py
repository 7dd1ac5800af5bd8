"""What does a face look like? Its embedding, attributes, pose, quality, beauty and liveness.

embed, attributes, pose, quality, beauty, liveness
"""
