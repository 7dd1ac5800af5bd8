"""What each act costs at n and at ten times n (`make slopes`)."""
