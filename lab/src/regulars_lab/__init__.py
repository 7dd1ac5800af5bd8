"""How good is it? What measures the service: evaluations, a drawn week, benchmarks, and how its
models were made.

The commands evaluate and calibrate run wherever the distribution is installed. `bench`, `models`,
`rigs` and `week` run in a checkout: they use its package (infra) and what its tests share
(tests/support).
"""
