"""How is anything written? One transaction a change, tried again if another writer was first.

gallery: changes of faces and groups, with the tenant's seq. idempotency: a request that comes twice. transaction: named
conditions.
"""
