"""What does the visitor book know, and how does it come to know it? Nothing beside it is
imported."""
