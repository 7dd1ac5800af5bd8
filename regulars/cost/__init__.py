"""What the service costs on AWS, from what it was measured to use and from dated public prices."""
