"""What is deleted, and when? Faces, groups with their faces, captures that expired, pictures that no face names.

erasure (faces and groups). Inside: traces (pictures too), retention, and erasing, whose steps leave no traces. One
picture of a face is removed by enrolment/update; a full group's oldest stranger by sightings/ingest.
"""
