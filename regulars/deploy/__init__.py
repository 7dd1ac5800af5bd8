"""`regulars deploy`: the service in an AWS account.

command. Inside: deploy, stack.
"""
