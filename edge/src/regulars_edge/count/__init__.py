"""Counting of people who cross a line in the picture, without their faces."""
