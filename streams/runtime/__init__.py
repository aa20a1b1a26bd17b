"""Who runs the stages: tasks of partitions, registry, watchdog, process tuning."""
