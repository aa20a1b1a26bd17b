"""Partials of all partitions to windows, readings and roll-ups."""
