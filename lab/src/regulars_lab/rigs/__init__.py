"""What do the benches, and some tests of the gate, measure with?

A meter of what AWS charges for, the application on it, stand-ins for models and cameras, synthetic faces and crowds.
Tests of the gate may take `meter`, `synthetic` and `crowds`, which need nothing beside the checkout.
"""
