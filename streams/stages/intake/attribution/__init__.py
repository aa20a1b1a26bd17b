"""Journeys of one partition: touches, identities and the credits of conversions."""
