"""Windows in event time: panes, watermark, the campaigns' windows, the schedule of publishing."""
