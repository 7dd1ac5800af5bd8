"""`regulars backup` and `regulars restore`: all data as one file, and back.

command. Inside: backup, restore, archive, cloud_backup.
"""
