"""What a planned campaign may bring, learned from campaigns that are over (docs/forecast.md). Pure; knows no file."""
