"""What may a tenant set itself, and how much of its limits does it use?

settings, usage
"""
