"""What a number means: values, events, panes, windows, KPIs. Pure; no clock, no network, no Faust."""
