"""How is Amazon Rekognition's face API said? `POST /`, with the operation in X-Amz-Target.

collections, pictures: the views.
The contract: docs/rekognition.md.
"""
