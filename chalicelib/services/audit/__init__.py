"""Who did what, and can that be shown?

audit puts an act's entry into its transaction, as core/acts says. Inside: chain (how it is stored, and what is not
closed yet), closing (closes hours into it), signing, reading, verify, erasing.
"""
