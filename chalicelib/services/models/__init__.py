"""Which embedding model does a tenant use, and what does it say of a picture?

tenant_vision, embedder, estimation
"""
