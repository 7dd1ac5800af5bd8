"""The visitor book: faces, visits, statistics and events. It imports nothing from the packages
beside it."""
