"""``roistream lift``: what came because of a campaign, from files of orders and of who was held out (docs/lift.md)."""
