"""`regulars today` and `regulars week`: who came, printed from one's own visitor book."""
