"""What is deleted, and when? Faces, captures that expired, and pictures that nothing names.

faces, captures
"""
