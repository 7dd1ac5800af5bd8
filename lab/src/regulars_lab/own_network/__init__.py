"""Makes a pack of a face network of one's own: `regulars models add`."""
