"""The edge uploader of Regulars: from a camera to the service, nothing lost, nothing twice."""

__version__ = "0.1.0"
SPOOL = 2
"""Version of the spool's layout."""
