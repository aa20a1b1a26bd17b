"""What sums mean: the catalogue of KPIs, the formulas, composed readings, roll-ups."""
