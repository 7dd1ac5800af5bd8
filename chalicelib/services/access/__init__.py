"""Who may call, with which key or session, and how much may they ask?

access. Inside: key_ring (keys), members (people who sign in), sessions (of browsers), passkeys, quotas (a day's, and a
second's).
"""
