"""Does what is stored agree with itself? The checks of a tenant, and the repairs."""
