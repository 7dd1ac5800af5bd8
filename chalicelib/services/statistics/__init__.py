"""Who came when, and how often? Every observation is recorded once and counted by hour and day.

recorder, observations, amounts, sealing: days that are final. calendar, days and seals are how they are read.
"""
