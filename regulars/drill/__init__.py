"""The rights drill: drawn people come into a copy by every way, ask for their rights, and are
looked for everywhere."""
