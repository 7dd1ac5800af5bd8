"""Who did what, and is what is stored of it as it was?

command: its line. audit: the reports.
"""
