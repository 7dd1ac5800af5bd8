"""How do we call a URL that a stranger chose, without giving the stranger a way into our network?

Use fetch and post. Inside: url, address, connection (docs/decisions/0008).
"""
