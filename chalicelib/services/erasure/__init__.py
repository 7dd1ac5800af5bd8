"""What is deleted, and when? Faces, groups with their faces, captures that expired, pictures that no face names.

faces, groups, captures, pictures. One picture of a face is removed by enrolment/pictures; a full group's oldest
stranger by sightings/writing.
"""
