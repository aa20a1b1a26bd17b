"""``roistream forecast``: what a planned campaign may bring, from an archive of past ones (docs/forecast.md)."""
