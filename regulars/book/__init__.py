"""`regulars today`: who came, printed from one's own visitor book."""
