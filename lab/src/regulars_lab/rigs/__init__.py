"""What do the benches measure with?

The application on metered storage, and stand-ins for models and cameras. The meter, synthetic faces
and crowds are of tests/support, since tests of the gate measure with them, too.
"""
