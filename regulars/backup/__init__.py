"""`regulars backup` and `regulars restore`: all data as one file, and back.

backup: both on one box. cloud_backup: both on AWS. archive: the file.
"""
