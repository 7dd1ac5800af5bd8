"""How is it done on one box? Each port on SQLite and a folder, the twin of `aws`.

items, blobs, uploads, signed_paths, queue, vault. Inside: file, the SQLite file of items and queue.
"""
