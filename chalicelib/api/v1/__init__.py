"""Our own dialect: JSON both ways, bearer keys, one object a resource."""
