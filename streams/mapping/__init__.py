"""Mappings: rows of a file, or documents, become source records by SQL. Knows no file format and no broker."""
