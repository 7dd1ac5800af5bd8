"""Which models are there, where are their files, and how do they run?

packs, manifest, pack_files, session, protobuf. Inside: calibration, prelu.
"""
