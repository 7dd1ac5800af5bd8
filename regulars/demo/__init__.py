"""`regulars demo`: the service, seen at work on pictures."""
