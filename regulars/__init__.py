"""The operator's side: the command line, the server for one box, the demo. Not shipped to Lambda."""
