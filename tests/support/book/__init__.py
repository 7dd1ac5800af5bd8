"""A visitor book, people who come into it, and the book counted again."""
