"""Replay: files in, source records out. Knows files and mappings; knows no KPI and no state."""
