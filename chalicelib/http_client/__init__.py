"""HTTP requests to URLs that users choose, without access to the internal network.

Use fetch and post. Inside: url, address, connection (docs/decisions/0008).
"""
