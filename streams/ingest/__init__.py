"""Connectors of others: what they say, line by line, becomes source records; where they stand is kept beside the records."""
