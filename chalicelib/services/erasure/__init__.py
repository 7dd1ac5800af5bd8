"""What is deleted, and when? Faces, groups with their faces, captures that expired, pictures that no face names.

erasure (faces and groups). Inside: retention (of pictures, too), and erasing, whose steps leave no traces. One
picture of a face is removed by enrolment/update; a full group's oldest stranger by sightings/ingest.
"""
