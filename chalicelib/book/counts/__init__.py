"""Counts of people who come in and go out, and the number inside.

counts stores the minutes of cameras and answers entries; places has doors, limits and corrections.
"""
