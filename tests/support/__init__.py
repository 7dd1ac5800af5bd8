"""Code that tests share. Nothing here imports a test; a folder of tests imports this folder and
itself."""
