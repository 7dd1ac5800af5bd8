"""Erasure of the traces of deleted people, and retention.

Inside: records of erasures; the steps that each does, which leave no traces, and nobody in
captures; retention.
"""
