"""Who is told of an event, and how often is it tried?

hooks, outbox, deliveries
"""
