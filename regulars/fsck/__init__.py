"""Does what is stored agree with itself, and can it be mended?

command: its line. fsck: the report.
"""
