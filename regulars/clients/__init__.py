"""Clients of the HTTP interfaces, for the demo and the tests.

client: SUNMI and iCREDIT; v1: our own.
"""
