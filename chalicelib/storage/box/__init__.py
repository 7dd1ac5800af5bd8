"""Storage on one box: each port on SQLite and a folder, the twin of `aws`.

items (and the SQLite file, which has the queue, too), blobs, uploads, queue, vault.
"""
