"""How does a face leave the book? By itself, or with its group; then pictures that no face names.

deletion (faces and groups). Inside: orphans (pictures). What follows a deletion, others say
(domain/hooks). One picture of a face is removed by enrolment/face_update; a full group's oldest
stranger by sightings/facts.
"""
