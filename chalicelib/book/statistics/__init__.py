"""Statistics of visits: every observation is recorded once, and counted by hour and day.

statistics: numbers, lists and the recorder. Inside: days (and their seals), calendar, arrivals
(totals, first ones).
"""
