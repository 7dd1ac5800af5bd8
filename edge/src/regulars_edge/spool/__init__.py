"""The durable spool: what was taken and has not yet been seen at the service."""
