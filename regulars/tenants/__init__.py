"""`regulars tenants`: customers, their settings and their credentials.

tenants, credentials
"""
