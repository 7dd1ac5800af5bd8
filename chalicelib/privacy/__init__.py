"""Privacy: people's rights to access and erasure, retention, and the audit log."""
