"""What the edge uploader is tried against."""
