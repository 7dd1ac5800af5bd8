"""Commands that make the files of the face pack."""
