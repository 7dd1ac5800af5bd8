"""Hooks, and a web server that receives what they are sent."""
