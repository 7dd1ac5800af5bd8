"""`regulars tenants`: tenants, their settings and their credentials.

command: the lines. credentials: credentials.json
"""
