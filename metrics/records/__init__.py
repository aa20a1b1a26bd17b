"""Records as they travel: events, validation, published readings, dead letters."""
