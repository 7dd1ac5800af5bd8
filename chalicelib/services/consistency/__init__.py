"""Does what is stored agree with itself?

consistency: all checks of a tenant, and their repairs. Inside, a module for each subject.
"""
