"""Which traces of deleted people are erased, and what ends by the clock? Erasures, and retention.

Inside: records of erasures; the steps that each does, which leave no traces, and nobody in
captures; retention.
"""
