"""What does the service cost on AWS? Measured use, dated public prices, and a tenant's month."""
