"""Our own dialect: JSON both ways, bearer keys, one object a resource.

A view is a function of a `V1Context`, and of what may be sent beside the path: `query`,
`body`. Its annotations are Structs (wire.py); its docstring is the operation's text; `Operation`
says its path and who may call it (endpoint.py). From these, docs/api/v1.yaml is written
(document.py), and requests are read (wire.py, validation.py).
"""
