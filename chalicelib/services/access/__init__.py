"""Who may call, with which key or session, and how much may they ask?

access (keys). Inside: members (people who sign in, and sessions of browsers), passkeys, quotas (a day's, and a
second's).
"""
