"""Rigs that the benchmarks run on.

The application on metered storage, and stand-ins for models and cameras. The meter, synthetic faces
and crowds are in tests/support, since tests of the gate use them, too.
"""
