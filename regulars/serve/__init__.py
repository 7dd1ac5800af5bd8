"""`regulars serve`: one data folder over HTTP, with the queues and schedules that AWS would run.

server, folder, service; gateway, uploads, connections, events and arenas are its parts.
"""
