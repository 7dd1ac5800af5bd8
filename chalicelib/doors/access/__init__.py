"""Who may call, with which key or session, and how fast?

access (keys). Inside: members (people who sign in), sessions, passkeys, rates (of a second).
"""
