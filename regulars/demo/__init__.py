"""`regulars demo`: the service at work on pictures."""
