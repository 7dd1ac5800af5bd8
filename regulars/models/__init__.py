"""`regulars models` and `regulars reembed`: the model packs, and the change from one to another.

models, pulling, download, packages, reembed; convert makes ONNX models of what others published.
"""
