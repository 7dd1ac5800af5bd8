"""What is held about one person?

subject_access: the zip file. Inside: places, the list of all places; page, the part of it that people read.
"""
