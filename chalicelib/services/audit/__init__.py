"""Who did what, and can that be shown?

acts: what of each act becomes an entry. entries: puts it into the act's transaction. closing: closes hours into the
chain; chain: how it is stored; pending: what is not closed yet. reading, verify, erasing: what is done with it.
"""
