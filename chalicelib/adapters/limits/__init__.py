"""What does every adapter refuse alike? The limits of the AWS services, which hold on one box too.

items, attributes, span, blobs, queue, vault
"""
