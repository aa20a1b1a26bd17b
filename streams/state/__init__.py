"""Changelogged state: codec, tables, blocks of panes. Pure."""
