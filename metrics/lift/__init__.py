"""What came because of a campaign, and would not have come without it: holdouts, incremental results (docs/lift.md). Pure; knows no file."""
