"""A week before two cameras, with a stated timeline, put through the service by presigned uploads and read back."""
