"""Setup: discovery of cameras, and their configuration in edge.toml."""
