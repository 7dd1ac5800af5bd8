"""The audit log: who did what, with proof.

audit adds an act's entry to its transaction, as domain/audit_events describes it. Inside: chain
(how it is stored, signed and read, what is not closed yet, and how hours are closed into it),
leaving (the removal of entries), verifying, breach (what a caller read).
"""
