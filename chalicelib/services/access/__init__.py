"""Who may call, with which key or session, and how much may they ask?

access (keys, quotas of a day, rates of a second). Inside: members (people who sign in, and sessions), passkeys.
"""
