"""The page as a ``prometheus_client`` collector: what our own writer is compared with."""

from collections.abc import Iterable

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from metrics.exposition.samples import worker_samples
from metrics.exposition.series_limit import SeriesLimit
from metrics.exposition.snapshot import SnapshotSource


class RoistreamCollector(Collector):
    """Collects at scrape time from a source; keeps nothing but the folding."""

    def __init__(self, source: SnapshotSource, max_campaign_series: int) -> None:
        """Collect from ``source``; at most ``max_campaign_series`` campaigns have series of their own."""
        self._source = source
        self._folding = SeriesLimit(max_campaign_series)

    def describe(self) -> Iterable[Metric]:
        """Nothing: a registry must not collect in order to register."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """All families of the worker as it stands now."""
        for family, samples in worker_samples(self._source.snapshot(), self._folding):
            metric = Metric(family.name, family.help, family.kind, family.unit)
            for suffix, labels, value in samples:
                metric.add_sample(family.name + suffix, labels.pairs, value)
            yield metric
