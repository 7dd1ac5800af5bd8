"""What is deleted, and when? Faces, captures that expired, and pictures that no face names.

faces, captures, orphans
"""
