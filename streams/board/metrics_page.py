"""The board's own ``/metrics``: what it reaches, who looks, what was decided, and whether notifications are delivered. No figure of a campaign."""

from collections import Counter
from collections.abc import Iterator, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from streams.board.notifications.notifier import DeliveryCounts
from streams.board.routes import BoardRoutes

#: What each family says, by name; gauges, then counters with the label that they count by.
GAUGES = {
    "roistream_board_broker_up": "Whether the broker took the last record.",
    "roistream_board_cards": "Cards that the board shows.",
    "roistream_board_pages_open": "Pages that follow the board.",
    "roistream_board_recipients_failing": "Recipients whose last notification was not delivered.",
    "roistream_board_redis_up": "Whether Redis was read as it should.",
}
#: With their labels.
LABELLED_GAUGES = {
    "roistream_board_effects": (
        "Campaigns by what became of their latest action on the ad platform.",
        ("platform", "stage", "because"),
    )
}
COUNTERS = {
    "roistream_board_decisions": ("Decisions and comments that the broker confirmed.", "verb"),
    "roistream_board_deliveries": ("Messages that a receiver confirmed.", "channel"),
    "roistream_board_delivery_failures": ("Tries that no receiver confirmed.", "channel"),
}


class BoardMetrics:
    """Collects at each scrape from what the board knows."""

    def __init__(self, board_routes: BoardRoutes, counts: DeliveryCounts) -> None:
        self._board = board_routes
        self._counts = counts
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def routes(self) -> list[web.RouteDef]:
        """The page."""
        return [web.get("/metrics", self._get)]

    def collect(self) -> Iterator[Metric]:
        """The families, as ``prometheus_client`` asks for them."""
        health = self._board.health
        values = {
            "roistream_board_broker_up": health["broker"],
            "roistream_board_cards": len(self._board.cards.cards),
            "roistream_board_pages_open": len(self._board.broadcast),
            "roistream_board_recipients_failing": len(self._counts.failing),
            "roistream_board_redis_up": health["redis"],
        }
        for name, text in GAUGES.items():
            yield GaugeMetricFamily(name, text, value=float(values[name]))
        yield self._effects()
        counted: dict[str, Mapping[str, int]] = {
            "roistream_board_decisions": self._board.decided,
            "roistream_board_deliveries": self._counts.delivered,
            "roistream_board_delivery_failures": self._counts.failed,
        }
        for name, (text, label) in COUNTERS.items():
            family = CounterMetricFamily(name, text, labels=[label])
            for value, count in sorted(counted[name].items()):
                family.add_metric([value], float(count))
            yield family

    def _effects(self) -> Metric:
        """Campaigns by what became of their latest action on the ad platform."""
        name, (text, labels) = next(iter(LABELLED_GAUGES.items()))
        counted = Counter(
            (each.platform or "", each.stage, each.because or "")
            for each in self._board.effects.effects.values()
        )
        family = GaugeMetricFamily(name, text, labels=labels)
        for values, count in sorted(counted.items()):
            family.add_metric(values, float(count))
        return family

    async def _get(self, request: web.Request) -> web.Response:
        encoder, kind = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(
            body=encoder(self._registry), headers={"Content-Type": kind, "Cache-Control": "no-store"}
        )
