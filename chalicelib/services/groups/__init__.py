"""Which groups does a tenant have, and which attributes do their faces have?

groups
"""
