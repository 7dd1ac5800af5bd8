"""Measurements of the service: evaluations, a simulated week, benchmarks, and the making of its
models.

The commands evaluate and calibrate run wherever the distribution is installed. `bench`, `models`,
`rigs` and `week` run in a checkout: they use its package (infra) and the shared code of its tests
(tests/support).
"""
