"""What a fact is about: campaigns, orders, leads, reports, clicks, and the ids already seen."""
