"""Pictures of people, what is on them, and models that look at them."""
