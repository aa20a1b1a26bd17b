"""How it moves: Kafka, Faust, checkpoints, publishing and commands. Importing starts nothing."""
