"""`make week`: a week before two cameras with a known timeline, uploaded to the service and read
back."""
