"""How does a person get into the book by hand, and how are a face's pictures and data changed?

enrolment: of one person. Inside: everybody (on a picture), update (and further pictures).
"""
