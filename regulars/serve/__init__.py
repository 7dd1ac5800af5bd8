"""`regulars serve`: one data folder over HTTP, with the queues and schedules that AWS would run.

server, service. Inside: gateway, uploads, connections, events, arenas.
"""
