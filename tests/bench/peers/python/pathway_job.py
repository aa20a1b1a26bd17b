"""Clicks and micros by campaign and minute on Pathway: changes are sent each second; at least once.

Run by a Python that has Pathway: ``pathway_job.py BROKER SOURCE TARGET FORM FOLDER``.
"""

import sys

import pathway as pw

BROKER, SOURCE, TARGET, _, FOLDER = sys.argv[1:]


class Click(pw.Schema):
    """What the job takes of a click."""

    occurred_at: int
    campaign_id: str
    cost: str


settings = {"bootstrap.servers": BROKER, "group.id": f"{TARGET}-pathway", "auto.offset.reset": "earliest"}
clicks = pw.io.kafka.read(settings, SOURCE, schema=Click, format="json", autocommit_duration_ms=1_000)
costs = clicks.select(
    clicks.campaign_id,
    minute=clicks.occurred_at // 60_000 * 60_000,
    micros=pw.cast(int, clicks.cost.str.replace(".", "").str.parse_int()) * 10_000,
)
sums = costs.groupby(costs.campaign_id, costs.minute).reduce(
    costs.campaign_id, costs.minute, clicks=pw.reducers.count(), micros=pw.reducers.sum(costs.micros)
)
pw.io.kafka.write(sums, {"bootstrap.servers": BROKER}, TARGET, format="json")

if __name__ == "__main__":
    pw.run(
        monitoring_level=pw.MonitoringLevel.NONE,
        persistence_config=pw.persistence.Config(
            pw.persistence.Backend.filesystem(FOLDER), snapshot_interval_ms=1_000
        ),
    )
