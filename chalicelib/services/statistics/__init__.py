"""Who came when, and how often? Every observation is recorded once and counted by hour and day.

statistics: numbers, lists and the recorder. Inside: days, calendar, sealing (days that are final),
arrivals (totals, first ones).
"""
