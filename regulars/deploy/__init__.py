"""`regulars deploy`: the service in an AWS account.

command, stage. Inside: deploy, stack.
"""
