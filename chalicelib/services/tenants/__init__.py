"""Who are the customers, and how much may they ask? Tenants, their keys and their daily quotas.

accounts, api_keys, quotas
"""
