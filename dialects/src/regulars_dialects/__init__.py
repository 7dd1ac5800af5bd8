"""Dialects of services from which people move to Regulars, each a package that an entry point names
(docs/dialects.md)."""
