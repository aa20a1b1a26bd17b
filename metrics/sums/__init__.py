"""Additive sums of facts, one by one and in columns."""
