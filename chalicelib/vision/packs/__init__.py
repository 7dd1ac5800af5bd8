"""Which models are there, where are their files, and how do they run?

packs, manifest, pack_files, calibration; session runs them, prelu and protobuf mend what is loaded.
"""
