"""`regulars tenants`: customers, their settings and their credentials.

command, keys: the lines. tenants: what they print. credentials: credentials.json
"""
