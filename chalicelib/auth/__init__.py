"""Authentication and rate limits: API keys, members, and sessions of browsers.

access (keys). Inside: members (people who sign in), sessions, passkeys, rate_limits (requests,
wrong passwords).
"""
