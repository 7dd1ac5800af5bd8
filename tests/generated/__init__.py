"""Clients that generators make of docs/api/v1.yaml do the main jobs of v1 against one box."""
