"""Coverage-guided fuzzing of what reads records (docs/faults.md)."""
