"""Readings, operators' decisions and alerts to budget actions."""
