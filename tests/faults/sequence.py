"""One sequence: a plan from the seed, the run, and the verdict."""

import random
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import redis

from metrics.attribution.models import MODELS
from streams.embedded.cache import _command as cache_command
from streams.embedded.cache import cache_program
from streams.embedded.child_process import LOOPBACK, Server, free_ports, is_listening
from streams.settings import Settings
from streams.sinks.redis_names import RedisNames
from streams.transport.topic_admin import ensure_topics
from tests.faults.cluster import Cluster
from tests.faults.faults import CLUSTERED, COMMON, EARLY, PROXIED, Fault, Scene, cache_lost
from tests.faults.fleet import running_fleet
from tests.faults.journeys import CLICK_LOOKBACK_MS, HALF_LIFE_MS, VIEW_LOOKBACK_MS
from tests.faults.judging import Verdict, judge
from tests.faults.workload import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Shape,
    Writer,
    load_of,
    registered,
)
from tests.support.oracles.journeys import COHORT
from tests.support.outside import write

PARTITIONS = 4
GRACE_MS = 10_000
_FIRST_FAULT_S, _LAST_FAULT_S = 2.0, 13.0


@dataclass(frozen=True)
class Plan:
    """What a seed stands for."""

    seed: int
    shape: Shape
    workers: int
    faults: tuple[tuple[float, Fault], ...]

    @property
    def is_proxied(self) -> bool:
        return any(fault in PROXIED for _, fault in self.faults)

    @property
    def models(self) -> tuple[str, ...]:
        """In every fifth sequence no model is computed, in the others all are, two of them by cohort, too."""
        return (*MODELS, f"linear{COHORT}", f"last_touch{COHORT}") if self.seed % 5 else ()

    @property
    def needs_cache(self) -> bool:
        return any(fault is cache_lost for _, fault in self.faults)


def plan_of(seed: int, brokers: int) -> Plan:
    """The seed decides: every fault comes in turn, alone in a third of the sequences, with up to two others else."""
    dice = random.Random(f"{seed}/{brokers}")
    kinds = COMMON if brokers == 1 else CLUSTERED + COMMON + CLUSTERED
    others = [dice.choice(kinds) for _ in range(dice.choice([0, 1, 2]))]
    times = sorted(dice.uniform(_FIRST_FAULT_S, _LAST_FAULT_S) for _ in range(1 + len(others)))
    timed = [
        (at / 3 if fault in EARLY else at, fault)
        for at, fault in zip(times, [kinds[seed % len(kinds)], *others], strict=True)
    ]
    return Plan(seed, _shape(dice), dice.choice([1, 2, 2, 2, 3]), tuple(timed))


def _shape(dice: random.Random) -> Shape:
    kind = dice.random()
    poison = dice.choice([0, 0, 0, 250])
    if kind < 0.15:
        return Shape(12_000, DAY_MS, 0, None, poison)
    span = 20 * MINUTE_MS if kind < 0.6 else HOUR_MS + 20 * MINUTE_MS
    return Shape(dice.randrange(3_500, 5_500), span, 16, dice.choice([None, PARTITIONS - 1]), poison)


class Cache:
    """Redis on one port, which can be killed and comes back empty."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (self.port,) = free_ports(1)
        self._server: Server | None = None

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        self.kill()
        self._server = Server("cache", cache_command(cache_program(), self.port), self._folder)
        self._server.wait_until(lambda: is_listening(self.port), 20)

    def kill(self) -> None:
        if self._server is not None:
            self._server.kill()

    def totals(self, settings: Settings) -> dict[str, str]:
        """Campaigns' totals as JSON."""
        with redis.Redis(port=self.port, decode_responses=True) as client:
            return dict(client.hgetall(RedisNames(settings.topic_prefix).readings("declared", "total")))


def run_sequence(cluster: Cluster, plan: Plan, folder: Path, echo: Any = print) -> Verdict:
    """Run the plan on the cluster; its topics are gone afterwards."""
    verdict = Verdict(plan.seed, len(cluster.nodes), [fault.__name__ for _, fault in plan.faults])
    verdict.models, verdict.workers = len(plan.models), plan.workers
    verdict.shape = "replay" if plan.shape.is_replay else "paced"

    cluster.heal()
    cache = Cache(folder)
    if plan.needs_cache:
        cache.start()
    settings = _settings(cluster, cache if plan.needs_cache else None, plan)
    play = partial(_run, plan=plan, settings=settings, verdict=verdict)
    return run_on_fleet(cluster, cache, settings, folder, verdict, echo, play)


def run_on_fleet(
    cluster: Cluster,
    cache: Cache,
    settings: Settings,
    folder: Path,
    verdict: Verdict,
    echo: Any,
    play: Callable[[Scene], None],
) -> Verdict:
    """Make topics, let ``play`` do what it does with workers on them, and leave nothing behind."""
    started = time.monotonic()

    def say(text: str) -> None:
        verdict.events.append(f"{time.monotonic() - started:6.1f} {text}")
        echo(f"  {verdict.events[-1]}")

    try:
        ensure_topics(settings, create=True)
        with running_fleet(settings, folder, cluster.proxied_url, say) as fleet:
            play(Scene(fleet, cluster, cache, say))
            verdict.deaths = fleet.deaths
    finally:
        cache.kill()
        cluster.heal()
        cluster.delete_topics(settings.topic_prefix)
    verdict.passed = not verdict.problems
    verdict.seconds = round(time.monotonic() - started, 1)
    return verdict


def _settings(cluster: Cluster, cache: Cache | None, plan: Plan) -> Settings:
    return Settings(
        broker=cluster.url,
        topic_prefix=f"f{plan.seed}-{uuid.uuid4().hex[:6]}-",
        partitions=PARTITIONS,
        replication_factor=len(cluster.nodes),
        broker_wait=20_000,
        session_timeout=6_000,
        grace=GRACE_MS,
        # In a replay a partition whose worker is away must not be passed over.
        idle_after=10 * MINUTE_MS if plan.shape.is_replay else 2_000,
        publish_interval=200,
        # In every fourth sequence updates must wait for their turn, over restarts too.
        max_publish_rate=5_000 if plan.seed % 4 else 150,
        attribution_models=list(plan.models),
        lookback=CLICK_LOOKBACK_MS,
        view_through_lookback=VIEW_LOOKBACK_MS,
        half_life=HALF_LIFE_MS,
        refit_interval=5_000,
        budget_mode="enforce",
        **({"redis_url": cache.url} if cache else {}),
    )


def _run(scene: Scene, plan: Plan, settings: Settings, verdict: Verdict) -> None:
    fleet = scene.fleet
    load = load_of(plan.seed, plan.shape, PARTITIONS, int(time.time() * 1000))
    write(settings, registered())
    writer = Writer(settings, load, plan.shape.seconds)
    if plan.shape.is_replay:
        writer.start()
        writer.finish()
        scene.say(f"{len(load)} records of a day are written")
    for number in range(plan.workers):
        fleet.add(is_proxied=plan.is_proxied and number == 0)
    if not plan.shape.is_replay:
        fleet.wait("the workers are ready", fleet.all_ready, 60)
        scene.say(f"{plan.workers} workers are ready, {len(load)} records are being written")
        writer.start()
    _play(scene, plan)
    scene.cluster.heal()
    if not plan.shape.is_replay:
        writer.finish()
    scene.say("everything is written, everything is mended")
    judge(scene, settings, verdict, load)


def _play(scene: Scene, plan: Plan) -> None:
    """Let the faults act when they are due, while the supervisor looks on."""
    began = time.monotonic()
    waiting: list[tuple[float, Iterator[float]]] = []
    for number, (at, fault) in enumerate(plan.faults):
        # A replay is over soon after the workers have started, which takes them some seconds.
        due = 3 + at / 3 if plan.shape.is_replay else at
        waiting.append((began + due, fault(scene, random.Random(f"{plan.seed}-{number}"))))
    ends = began + (0 if plan.shape.is_replay else _LAST_FAULT_S)
    while waiting or time.monotonic() < ends:
        scene.fleet.supervise()
        for due, acts in [each for each in waiting if each[0] <= time.monotonic()]:
            waiting.remove((due, acts))
            pause = next(acts, None)
            if pause is not None:
                waiting.append((time.monotonic() + pause, acts))
        time.sleep(0.05)
