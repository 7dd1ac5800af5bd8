"""How does a person get into the book by hand, and how are a face's pictures and data changed?

enrolment, everybody, plan, update, many, pictures
"""
