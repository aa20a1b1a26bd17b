"""The product with its monitoring on one machine, without Docker: ``python -m streams.stack`` (``make stack``)."""
