"""Which frames are worth sending: each way one small class behind `Chooser` (choose/chooser.py)."""
