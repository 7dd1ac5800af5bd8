"""`regulars evaluate` and `regulars calibrate`: how well the pack tells people apart, measured on labelled pictures."""
