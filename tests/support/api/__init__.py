"""Calls of dialects, and the contents of their pages and documents."""
