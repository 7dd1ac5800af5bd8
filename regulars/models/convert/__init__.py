"""Upstream weights to ONNX. Not shipped to the functions: they run what is converted."""
