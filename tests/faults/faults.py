"""The faults by name. Each is a generator: it acts, yields how long to wait, acts again; several may interleave.

A fault leaves what it broke mended when it ends, except for workers that trapped themselves: those the
supervisor starts again.
"""

import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from streams import topics
from tests.faults.cluster import Cluster, Node
from tests.faults.fleet import Fleet, Member
from tests.faults.launcher import AT_RELEASE, AT_TAKEOVER, CLIENT_POINTS, POINTS, STAGES

SESSION_S = 6
HOUR_MS = 3_600_000


@dataclass
class Scene:
    """What faults act on; `say` writes the log of the sequence."""

    fleet: Fleet
    cluster: Cluster
    cache: Any
    say: Callable[[str], None]

    def pick(self, dice: random.Random) -> Member | None:
        """A running worker that no other fault holds."""
        free = [each for each in self.fleet.living if not each.is_stopped and not each.is_trapped]
        if not free:
            self.say("no worker is free for one more fault")
        return dice.choice(free) if free else None


Fault = Callable[[Scene, random.Random], Iterator[float]]


def terminated(scene: Scene, dice: random.Random) -> Iterator[float]:
    """SIGTERM, and a start some time after the end."""
    if (member := scene.pick(dice)) is None:
        return
    member.is_wanted = False
    scene.say(f"SIGTERM to {member.name}")
    member.send(signal.SIGTERM)
    yield from _ended(scene, member)
    yield dice.uniform(0, 3)
    member.start()


def killed(scene: Scene, dice: random.Random) -> Iterator[float]:
    """SIGKILL, and a start some time after."""
    if (member := scene.pick(dice)) is None:
        return
    scene.say(f"SIGKILL to {member.name}")
    member.end()
    yield dice.uniform(0, 4)
    member.start()


def zombie(scene: Scene, dice: random.Random) -> Iterator[float]:
    """SIGSTOP beyond the session timeout, then SIGCONT: what it still writes must be fenced."""
    yield from _paused(scene, dice, dice.uniform(1.3, 2.0) * SESSION_S)


def stall(scene: Scene, dice: random.Random) -> Iterator[float]:
    """SIGSTOP for less than the session timeout."""
    yield from _paused(scene, dice, dice.uniform(0.3, 0.8) * SESSION_S)


def _paused(scene: Scene, dice: random.Random, seconds: float) -> Iterator[float]:
    if (member := scene.pick(dice)) is None:
        return
    scene.say(f"SIGSTOP to {member.name} for {seconds:.1f} s")
    process = member.process
    member.is_stopped = True
    member.send(signal.SIGSTOP)
    yield seconds
    member.is_stopped = False
    if member.process is process:
        scene.say(f"SIGCONT to {member.name}")
        member.send(signal.SIGCONT)


def added_and_removed(scene: Scene, dice: random.Random) -> Iterator[float]:
    """One more worker, and it leaves again."""
    member = scene.fleet.add()
    scene.say(f"{member.name} joins")
    yield dice.uniform(4, 7)
    member.is_wanted = False
    if dice.random() < 0.5:
        scene.say(f"SIGTERM to {member.name}, which leaves")
        member.send(signal.SIGTERM)
        yield from _ended(scene, member)
    else:
        scene.say(f"SIGKILL to {member.name}, which leaves")
        member.end()


def rolled(scene: Scene, dice: random.Random) -> Iterator[float]:
    """A rolling restart: each worker ends and starts, the next when it is ready or soon after."""
    for member in list(scene.fleet.living):
        if not member.is_alive or member.is_stopped:
            continue
        member.is_wanted = False
        scene.say(f"rolling restart: SIGTERM to {member.name}")
        member.send(signal.SIGTERM)
        yield from _ended(scene, member)
        member.start()
        for _ in range(100):
            if member.answers_ready():
                break
            yield 0.1


def trapped(scene: Scene, dice: random.Random) -> Iterator[float]:
    """A worker is started anew with a trap that kills it at a chosen point."""
    point, stage = dice.choice(POINTS), dice.choice(STAGES)
    nth = dice.randint(1, 2) if point in AT_TAKEOVER + AT_RELEASE else dice.randint(1, 25)
    yield from _started_with(scene, dice, f"{point}:{stage}:{nth}:kill")


def client_failed(scene: Scene, dice: random.Random) -> Iterator[float]:
    """The producer of a checkpoint raises, or never answers, at a chosen point."""
    action = dice.choice(["fail", "hang"])
    stage = dice.choice(STAGES)
    yield from _started_with(
        scene, dice, f"{dice.choice(CLIENT_POINTS)}:{stage}:{dice.randint(1, 25)}:{action}"
    )


def _started_with(scene: Scene, dice: random.Random, trap: str) -> Iterator[float]:
    if (member := scene.pick(dice)) is None:
        return
    scene.say(f"SIGKILL to {member.name}, started anew with the trap {trap}")
    member.end()
    member.start(trap)
    if trap.startswith(AT_RELEASE):
        for _ in range(150):
            if member.answers_ready():
                break
            yield 0.1
        scene.say(f"SIGTERM to {member.name}, into the trap")
        member.send(signal.SIGTERM)
    yield 0


def broker_killed(scene: Scene, dice: random.Random) -> Iterator[float]:
    """The leader of a changelog partition is killed, and comes back."""
    name = dice.choice([topics.INTAKE_CHANGELOG, topics.MERGE_CHANGELOG, topics.PARTIALS])
    node = scene.cluster.nodes[0]
    if len(scene.cluster.nodes) > 1:
        node = scene.cluster.leader(scene.fleet.settings.topic(name), dice.randrange(4))
    yield from _down(scene, [node], dice.uniform(1, 8), f"leader of {name}")


def controller_killed(scene: Scene, dice: random.Random) -> Iterator[float]:
    """The active controller is killed, and comes back."""
    yield from _down(scene, [scene.cluster.controller()], dice.uniform(2, 8), "the active controller")


def two_brokers_down(scene: Scene, dice: random.Random) -> Iterator[float]:
    """Two of three brokers are killed: no quorum, nothing can be appended; both come back."""
    yield from _down(scene, dice.sample(scene.cluster.nodes, 2), dice.uniform(2, 8), "two of three")


def _down(scene: Scene, nodes: list[Node], seconds: float, what: str) -> Iterator[float]:
    names = " and ".join(f"broker {node.number}" for node in nodes)
    scene.say(f"SIGKILL to {names} ({what}) for {seconds:.1f} s")
    for node in nodes:
        node.kill()
    yield seconds
    scene.say(f"start of {names}")
    for node in nodes:
        node.start()


def cut_off(scene: Scene, dice: random.Random) -> Iterator[float]:
    """The proxied worker's connections are reset and refused."""
    yield from _apart(scene, scene.cluster.proxy.cut, dice.uniform(1, 12), "cut off from the brokers")


def stalled_network(scene: Scene, dice: random.Random) -> Iterator[float]:
    """The proxied worker's connections stay open, and nothing passes; then everything does."""
    yield from _apart(scene, scene.cluster.proxy.stall, dice.uniform(1, 12), "stalled before the brokers")


def _apart(scene: Scene, begin: Callable[[], None], seconds: float, what: str) -> Iterator[float]:
    scene.say(f"w1 is {what} for {seconds:.1f} s")
    begin()
    yield seconds
    scene.say("the network is whole again")
    scene.cluster.proxy.mend()


def cache_lost(scene: Scene, dice: random.Random) -> Iterator[float]:
    """Redis is killed and comes back empty."""
    seconds = dice.uniform(1, 5)
    scene.say(f"Redis is down for {seconds:.1f} s")
    scene.cache.kill()
    yield seconds
    scene.say("Redis is back, empty")
    scene.cache.start()


def clock_jumped(scene: Scene, dice: random.Random) -> Iterator[float]:
    """A worker's wall clock is wrong by an hour, forwards or back, for some seconds."""
    if (member := scene.pick(dice)) is None:
        return
    jump = dice.choice([HOUR_MS, -HOUR_MS])
    scene.say(f"the clock of {member.name} jumps by {jump // 1000} s")
    member.clock.write_text(str(jump))
    yield dice.uniform(2, 6)
    scene.say(f"the clock of {member.name} jumps back")
    member.clock.write_text("0")


def _ended(scene: Scene, member: Member) -> Iterator[float]:
    """Until a worker that was told to end has ended; killed after twice the session timeout and a margin."""
    for _ in range(10 * (3 * SESSION_S + 10)):
        if not member.is_alive:
            scene.say(f"{member.name} ended with {member.process.returncode}")
            return
        yield 0.1
    scene.say(f"{member.name} did not end on SIGTERM and is killed")
    member.end()


COMMON: tuple[Fault, ...] = (
    terminated,
    killed,
    zombie,
    trapped,
    added_and_removed,
    rolled,
    trapped,
    broker_killed,
    client_failed,
    cut_off,
    stalled_network,
    stall,
    clock_jumped,
    cache_lost,
    trapped,
)
#: They need records to come for some seconds more.
EARLY: tuple[Fault, ...] = (trapped, client_failed)
CLUSTERED: tuple[Fault, ...] = (broker_killed, controller_killed, two_brokers_down)
PROXIED: tuple[Fault, ...] = (cut_off, stalled_network)
