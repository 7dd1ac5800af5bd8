"""Model packs: the list of models, their files, and the sessions that run them.

packs, manifest, session. Inside: calibration.
"""
