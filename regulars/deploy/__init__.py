"""`regulars deploy`: the service in an AWS account.

command, package, stage. Inside: deploy, preflight, stack.
"""
