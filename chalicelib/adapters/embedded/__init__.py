"""How is it done on one box? Each port on SQLite and a folder, the twin of `aws`.

items, queue, blobs, uploads, signed_paths, vault; file is the SQLite file behind items and queue.
"""
