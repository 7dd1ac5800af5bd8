"""Questions to each party that a service speaks with, as a user's day has them."""
