"""Servers under the tests: a real Apache Kafka beside the embedded broker."""
