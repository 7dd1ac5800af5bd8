"""How is it stored? Models to items and back, and the binary forms of bulk data.

Items: faces (also tenants, groups and the journal), captures, observations, visits, merges, webhooks; format, the
number of it all. Bytes: columns, label_counts, packing.
"""
