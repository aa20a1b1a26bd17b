"""Kafka bytes in and out: the only folder that knows aiokafka, kafka-python and Faust."""
