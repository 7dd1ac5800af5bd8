"""Storage that is emulated, torn, failing or metered."""
