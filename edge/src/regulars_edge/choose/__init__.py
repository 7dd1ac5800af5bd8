"""The choice of frames to send: each way is one small class behind `Chooser`
(choose/chooser.py)."""
