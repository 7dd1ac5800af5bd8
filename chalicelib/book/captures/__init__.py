"""Captures: the pictures that cameras send, and whether they could be read.

captures: offered, listed, read. Inside: redrive (sent again, and how often one is tried), kept (how
many there are).
"""
