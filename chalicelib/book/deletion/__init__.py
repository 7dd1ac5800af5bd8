"""Deletion of faces, alone or with their group, and of pictures that no face refers to.

deletion (faces and groups). Inside: orphans (pictures). Other packages add the steps that follow a
deletion (domain/hooks). One picture of a face is removed by enrolment/face_update; a full group's
oldest stranger by sightings/facts.
"""
