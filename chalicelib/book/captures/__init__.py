"""Which pictures did the cameras send, and can they be read?

captures: offered, listed, read. Inside: redrive (sent again, and how often one is tried), kept (how
many there are).
"""
