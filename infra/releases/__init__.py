"""Building of a release: wheels, images, signed checksums, and the site of docs/."""
