"""Enrolment of people by hand, and changes of a face's pictures and data.

enrolment: of one person. Inside: group_enrolment (of everybody on a picture), face_update (and more
pictures).
"""
