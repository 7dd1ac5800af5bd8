"""How good is it? What measures the service: evaluations, a drawn week, benchmarks, and how its models were made.

The commands evaluate, calibrate and week run wherever the distribution is installed. `bench` and `models` run in a
checkout: they use its tests' rigs (tests/metering, tests/synthetic.py) and its package (infra).
"""
