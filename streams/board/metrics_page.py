"""The board's own ``/metrics``: what it reaches, who looks, and whether notifications are delivered. No figure of a campaign."""

from collections.abc import Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from streams.board.notifications.notifier import DeliveryCounts
from streams.board.routes import BoardRoutes


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
        gauges = {
            "roistream_board_broker_up": ("Whether the broker took the last record.", health["broker"]),
            "roistream_board_campaigns": ("Cards that the board shows.", len(self._board.cards.cards)),
            "roistream_board_pages_open": ("Pages that follow the board.", len(self._board.broadcast)),
            "roistream_board_recipients_failing": (
                "Recipients whose last notification was not delivered.",
                len(self._counts.failing),
            ),
            "roistream_board_redis_up": ("Whether Redis was read as it should.", health["redis"]),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(name, text, value=float(value))
        counters = {
            "roistream_board_deliveries": ("Messages that a receiver confirmed.", self._counts.delivered),
            "roistream_board_delivery_failures": ("Tries that no receiver confirmed.", self._counts.failed),
        }
        for name, (text, counted) in counters.items():
            family = CounterMetricFamily(name, text, labels=["channel"])
            for channel, count in sorted(counted.items()):
                family.add_metric([channel], float(count))
            yield family

    async def _get(self, request: web.Request) -> web.Response:
        encoder, kind = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(
            body=encoder(self._registry), headers={"Content-Type": kind, "Cache-Control": "no-store"}
        )
