"""An audit, and what somebody may do to it who may do all."""
