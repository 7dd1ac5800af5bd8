"""How is a dialect called, and what does its page or document say?"""
