"""How is it done on one box? Each port on SQLite and a folder, the twin of `aws`.

items (and the SQLite file, which has the queue, too), blobs, uploads, queue, vault.
"""
