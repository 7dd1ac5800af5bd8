"""`regulars deploy`: the service in an AWS account.

command, deploy, stack
"""
