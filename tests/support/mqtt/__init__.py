"""A broker, a stand-in of Frigate, and a shop with both."""
