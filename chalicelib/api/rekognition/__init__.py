"""How is Amazon Rekognition's face API said? `POST /`, with the operation in X-Amz-Target.

signature, requests, operation, errors; collections, faces, users, pictures: the views.
The contract: docs/rekognition.md.
"""
