"""What may people ask about themselves, and what has to be done without being asked?"""
