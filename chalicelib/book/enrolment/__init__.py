"""How does a person get into the book by hand, and how are a face's pictures and data changed?

enrolment: of one person. Inside: group_enrolment (of everybody on a picture), face_update (and
further pictures).
"""
