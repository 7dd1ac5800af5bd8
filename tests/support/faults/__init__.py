"""Shops in which everything can be done once, and everything that can be done."""
