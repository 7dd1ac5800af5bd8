"""Which pictures did the cameras send, and can they be read?

cameras, camera_settings, captures, pages, reading, redrive
"""
