"""How many people came in and went out, and how many are inside?

counts stores the minutes of cameras and answers entries; places has doors, limits and corrections.
"""
