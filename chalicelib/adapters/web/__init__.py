"""How is a URL called that a stranger chose, without becoming the stranger's way into our network?

fetch, post. Inside: url, address, connection (docs/decisions/0008).
"""
