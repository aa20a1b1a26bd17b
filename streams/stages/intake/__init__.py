"""Sources to panes of one partition: validation, dedupe, ledger, conversions, attribution."""
