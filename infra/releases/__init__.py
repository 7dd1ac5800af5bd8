"""What makes a release: wheels, images, signed sums, and the site of docs/."""
