"""What is deleted, and when? Faces, captures that expired, and pictures that no face names.

faces, captures, pictures. One picture of a face is removed by enrolment/pictures; a full group's oldest stranger by
sightings/strangers.
"""
