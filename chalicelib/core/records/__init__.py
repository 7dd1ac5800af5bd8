"""How is it stored? Models to items and back, and the binary forms of what is stored in bulk.

faces, captures, cameras, visits, merges, webhooks: items; columns, label_counts, packing: bytes
"""
