"""What is held about one person?

places: the list of all places; archive: the zip file; page: the part of it that people read.
"""
