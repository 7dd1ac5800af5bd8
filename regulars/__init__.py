"""The operator's side: the command line, the server for one box, the demo. Lambda does not get
it."""
