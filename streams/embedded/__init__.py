"""Servers that come with the package, for the demo and the tests: a Kafka-compatible broker and a cache.

They live in memory and end with the process that started them. Importing starts nothing.
"""
