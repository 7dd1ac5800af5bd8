"""Who did what, and can that be shown?

entries: puts an act's entry into its transaction, as core/acts says; sightings: entries of captures. closing: closes
hours into the chain; chain: how it is stored; pending: what is not closed yet. verify, erasing: what is done with it.
"""
