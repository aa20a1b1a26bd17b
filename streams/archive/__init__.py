"""``roistream archive``: final figures of campaigns that are over, onto a topic, out as files, and side by side (docs/archive.md)."""
