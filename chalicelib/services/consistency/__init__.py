"""Does what is stored agree with itself?

consistency: all checks of a tenant, and their repairs. Inside: visits, whose checks read observations.
"""
