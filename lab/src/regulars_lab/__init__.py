"""How good is it? What measures the service: evaluations, a drawn week, benchmarks, and how its models were made.

The commands evaluate and calibrate run wherever the distribution is installed. `bench` and `models` run in a
checkout: they use its package (infra). `rigs` are what they measure with, and some tests of the gate.
"""
