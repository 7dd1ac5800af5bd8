"""`regulars models` and `regulars reembed`: the model packs, and the change from one to another.

models, reembed, packages. Inside: pulling, download; convert makes ONNX models from published weights.
"""
