"""How is it stored? Models to items and back, and the binary forms of bulk data.

Items: faces (also tenants, groups, users and the journal), captures, observations (also visits and reviews), merges,
webhooks, erasures, audit, sighting_entries, access (also the number of the whole format). Bytes: columns, label_counts,
packing.
"""
