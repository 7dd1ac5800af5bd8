"""Does what is stored agree with itself?

consistency: all checks of a tenant, and their repairs. A module for each subject: gallery, names, pictures, visits,
captures, statistics, pointers.
"""
