"""Seeded sequences of faults on real Apache Kafka, checked against an oracle (docs/faults.md)."""
