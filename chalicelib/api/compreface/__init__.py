"""How is CompreFace's REST API said? `/api/v1/*`, with an API key of a service in x-api-key.

The page for users: docs/compreface.md.
"""
