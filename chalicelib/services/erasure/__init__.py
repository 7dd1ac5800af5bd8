"""What is deleted, and when? Faces, groups with their faces, captures that expired, pictures that no face names.

erasure. Inside: faces, groups, pictures, retention, and erasing, whose steps leave no traces. One picture of a face is
removed by enrolment/pictures; a full group's oldest stranger by sightings/reading.
"""
