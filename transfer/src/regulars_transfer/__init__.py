"""How do many people get into a tenant at once, and out of it again?"""
