"""What travels between Kafka and the stages: source records as columns, decoded events. Pure."""
