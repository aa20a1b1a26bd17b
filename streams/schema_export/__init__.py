"""The published schemas: JSON schemas, AsyncAPI and the KPI tables of the documentation."""
