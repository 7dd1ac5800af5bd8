"""The version of Regulars, as in pyproject.toml: a function on AWS has no metadata of packages."""

VERSION = "0.1.0"
