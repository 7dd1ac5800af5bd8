"""The box as a process or beside the test, and what speaks to it."""
