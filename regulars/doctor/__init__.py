"""`regulars doctor`: checks for problems that stop one box, or soon will."""
