"""Who came when, and how often? Every observation is recorded once and counted by hour and day.

recorder, observations, amounts, days, sealing (days that are final). Inside: calendar, seals.
"""
