"""Storage on AWS: each port on DynamoDB, S3, SQS, KMS or a Lambda function.

clients, items, blobs, uploads, queue, vault, search. Inside: errors, expressions.
"""
