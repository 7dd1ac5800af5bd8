"""Consistency checks of everything that is stored of a tenant, and the repairs."""
