"""How is a URL called that a stranger chose, without becoming the stranger's way into our network?

fetch, post; address, url, connection, wire and exchange are how (docs/decisions/0008).
"""
