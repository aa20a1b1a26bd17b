"""Servers that come with the package, for the demo, the stack and the tests: Apache Kafka and a cache.

They listen on loopback and end with the process that started them. Importing starts nothing.
"""
