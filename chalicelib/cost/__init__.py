"""Costs of the service on AWS: measured use, dated public prices, and a tenant's month."""
