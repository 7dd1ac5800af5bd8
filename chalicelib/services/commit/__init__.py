"""How is anything written? One transaction a change, tried again if another writer was first.

gallery: changes of faces and groups, with the tenant's seq. idempotency: requests that come twice. transaction: all
other writes, and the pauses between tries.
"""
