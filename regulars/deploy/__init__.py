"""`regulars deploy`: the service in an AWS account.

command, package, stage. Inside: budget, deploy, preflight, stack.
"""
