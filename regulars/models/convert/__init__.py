"""Converters of published weights to ONNX. Lambda does not get them, only the converted models."""
