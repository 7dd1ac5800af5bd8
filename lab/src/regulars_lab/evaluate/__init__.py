"""`regulars evaluate` and `regulars calibrate`: a pack's accuracy and score curve, measured on
labelled pictures."""
