"""What does every adapter refuse alike? The limits of the AWS services, held on one box too.

items, attributes, span, blobs, queue, vault
"""
