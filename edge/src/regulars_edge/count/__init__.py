"""How many people cross a line in the picture, without their faces?"""
