"""What does every adapter refuse alike? The limits of the AWS services, held on one box too.

items, refusals, conditions, attributes, span, blobs, uploads, queue, vault
"""
