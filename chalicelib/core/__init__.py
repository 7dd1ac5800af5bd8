"""The rules of the visitor book, free of IO: what is stored, what is refused, what is decided."""
