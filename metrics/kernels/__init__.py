"""Loops over arrays of bytes and numbers, compiled by numba; they hold no interpreter lock.

Each has a plain meaning in Python that tests compare it with. Nothing here keeps state or judges a value: what a
kernel does not understand at once it leaves to the Python beside it.
"""
