"""Who may call, with which key or session, and how fast?

access (keys). Inside: members (people who sign in), sessions, passkeys, rate_limits (requests,
wrong passwords).
"""
