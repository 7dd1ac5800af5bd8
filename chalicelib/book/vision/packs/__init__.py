"""Which models are there, where are their files, and how do they run?

packs, manifest, session. Inside: calibration.
"""
