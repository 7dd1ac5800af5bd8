"""Who did what, and can that be shown?

audit puts an act's entry into its transaction, as domain/audit_events says. Inside: chain (how it
is stored, signed and read, what is not closed yet, and how hours are closed into it), leaving (what
goes from it), verifying, breach (what a caller read).
"""
