"""How does a tenant change to another embedding model while the service runs?

reembedding. Inside: rejected_pictures.
"""
