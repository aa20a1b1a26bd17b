"""How it is seen: dashboards as code, alert rules, provisioning. Knows metric names, never the pipeline."""
