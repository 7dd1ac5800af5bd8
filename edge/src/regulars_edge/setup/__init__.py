"""Which cameras are there, and how do they get into edge.toml?"""
