"""How does a tenant change to another embedding model while the service runs?

reembedding, rejected_pictures
"""
