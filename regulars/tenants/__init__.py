"""`regulars tenants`: customers, what holds for them, and their credentials.

tenants, credentials
"""
