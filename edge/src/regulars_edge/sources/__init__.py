"""Sources of pictures: one small class a kind of camera, all behind `Source`
(sources/source.py)."""
