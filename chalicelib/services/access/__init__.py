"""Who may call, with which key or session, and how much may they ask?

access. Inside: key_ring (keys, and the sessions of browsers), quotas (a day's, and a second's).
"""

from __future__ import annotations
