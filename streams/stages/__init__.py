"""What is computed, one folder for each stage: intake, merge, budget. Pure: no clock, no network."""
