"""Which pictures did the cameras send, and can they be read?

cameras (and when one is silent), camera_settings, captures, one_step (offered and uploaded at once), pages, reading,
redrive (captures are sent again), attempts (how often one is tried), kept (how many there are)
"""
