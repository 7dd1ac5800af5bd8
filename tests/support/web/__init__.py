"""Servers that answer byte by byte as a test says, and URLs that lead astray."""
