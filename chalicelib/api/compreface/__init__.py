"""How is CompreFace's REST API said? `/api/v1/*`, with an API key of a service in x-api-key.

requests, operation, errors; details: a face; recognition, looking: the views. The page for users: docs/compreface.md.
"""
