"""How is anything written? One transaction a change, tried again if another writer was first.

gallery: changes of faces and groups, with the tenant's seq. idempotency: requests that come twice. reads: signatures
of reads, under which nothing is changed. core/items has all other writes, and the pauses between tries.
"""
