"""Bulk import of people into a tenant, and export out of it."""
