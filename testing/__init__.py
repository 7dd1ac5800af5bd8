"""What tests of the distributions share, and those of the service with them: it needs none of our
packages, and can be moved with one of these."""
