"""``roistream customers``: files of orders in, cohorts and lifetime values out. Knows files and mappings; computes nothing."""
