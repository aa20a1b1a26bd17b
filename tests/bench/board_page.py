"""The board's page with many campaigns that change all the time, in a headless browser: `python -m tests.bench.board_page`.

Each tree (a folder with this repository, `--trees`) has a board of its own on the same servers, and they take turns, so that
pairs can be compared on a machine that others use. Printed are, per tree and phase (loading; changing, in which every card
changes once a second; filter, in which a word is typed and taken back meanwhile; order, in which the order is changed), what
the page's main thread did: its processor time, the longest tasks by processor time, which is what a page that has a core for
itself would wait, and what the longest went on. Beside them stand times by the clock: to the first card in view and to all,
between frames, and from a key to the frame after it.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
from playwright.sync_api import Browser, sync_playwright

from streams.embedded.broker import embedded_broker
from streams.embedded.cache import embedded_cache
from streams.embedded.child_process import free_ports
from streams.settings import Settings
from streams.sinks.redis_names import RedisNames
from streams.transport.topic_admin import ensure_topics
from tests.bench.machine import load_average
from tests.support import board_seeding as seeding
from tests.system.page.acting import TOKEN, ask, start_board, until

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_VIEW = {"width": 1440, "height": 900}
_SLICES = 20
_WORD = "webinar"
_PATIENCE_S = 120

_TRACED = ["devtools.timeline", "toplevel"]
_US = 1_000

#: Runs before the page: keeps gaps between frames, the times of input, and when cards came into view.
_WATCH = """
window.inputs = []; window.first = null; window.all = null; window.gaps = [];
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (one.name === "keydown") window.inputs.push(one.duration);
}).observe({ type: "event", durationThreshold: 16, buffered: true });
let last = performance.now();
requestAnimationFrame(function frame(now) {
  window.gaps.push(now - last); last = now;
  if (window.all === null) {
    const shown = document.querySelectorAll(".column > ul > li:not([hidden], .away) .card");
    if (shown.length) window.first ??= now;
    if (shown.length >= COUNT) window.all = now;
  }
  requestAnimationFrame(frame);
});
"""


class Phase(NamedTuple):
    """What the page did for a while, all times in milliseconds.

    Attributes:
        processor: of the main thread.
        tasks: the longest, by processor time.
        parts: of the longest task, by kind.
        gaps: between frames, by the clock.
        inputs: from a key to the frame after it, by the clock.
    """

    processor: float
    tasks: list[float]
    parts: dict[str, float]
    gaps: list[float]
    inputs: list[float]


@contextmanager
def _board(tree: Path, settings: Settings, folder: Path) -> Iterator[str]:
    (port,) = free_ports(1)
    server = start_board(settings, port, folder, tree)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()


class _Changes(threading.Thread):
    """Says every card anew once a second, evenly spread, until told to end."""

    def __init__(self, store: seeding.Store, count: int, first: int) -> None:
        super().__init__(daemon=True)
        self._store, self._cards, self.revision = store, seeding.board(count), first
        self._is_over = threading.Event()

    def run(self) -> None:
        while not self._is_over.is_set():
            self.revision += 1
            for number in range(_SLICES):
                began = time.monotonic()
                with self._store.pipeline(transaction=False) as pipeline:
                    for card in self._cards[number::_SLICES]:
                        spent = card.spent_micros + self.revision * seeding.MILLION
                        value = msgspec.json.encode(
                            msgspec.structs.replace(card, revision=self.revision, spent_micros=spent)
                        )
                        pipeline.hset(self._store.names.board, card.campaign_id, value)
                        pipeline.publish(self._store.names.board, value)
                    pipeline.execute()
                self._is_over.wait(max(0.0, 1 / _SLICES - (time.monotonic() - began)))

    def end(self) -> int:
        self._is_over.set()
        self.join()
        return self.revision


def _measure(
    browser: Browser, address: str, store: seeding.Store, options: argparse.Namespace, revision: int
) -> tuple[dict[str, Any], int]:
    """Figures of one opening of the page, and the revision that cards have reached."""
    context = browser.new_context(viewport=_VIEW, locale="en-GB", base_url=address)
    page = context.new_page()
    page.set_default_timeout(_PATIENCE_S * 1_000)
    page.add_init_script(_WATCH.replace("COUNT", str(options.campaigns)))

    def traced(act: Callable[[], Any]) -> dict[str, Any]:
        if page.url != "about:blank":
            page.evaluate("() => { window.gaps.length = 0; window.inputs.length = 0; }")
        browser.start_tracing(page=page, categories=_TRACED)
        act()
        page.wait_for_timeout(1_000)
        gaps, inputs = page.evaluate("[window.gaps, window.inputs]")
        return _phase(json.loads(browser.stop_tracing())["traceEvents"], gaps, inputs)._asdict()

    def load() -> None:
        page.goto(f"/board#token={quote(TOKEN)}&name=Ana")
        until(page, "window.all !== null", _PATIENCE_S)

    def find() -> None:
        page.locator("#filter").press_sequentially(_WORD, delay=150)
        for _ in _WORD:
            page.locator("#filter").press("Backspace", delay=150)

    def order() -> None:
        page.locator("#order").focus()
        for _ in range(3):
            page.keyboard.press("ArrowDown")
            page.wait_for_timeout(600)

    found: dict[str, Any] = {"loading": traced(load)}
    found["first card"], found["all cards"] = page.evaluate("[window.first, window.all]")
    changes = _Changes(store, options.campaigns, revision)
    changes.start()
    try:
        found["changing"] = traced(lambda: page.wait_for_timeout(options.seconds * 1_000))
        found["filter"], found["order"] = traced(find), traced(order)
    finally:
        revision = changes.end()
        context.close()
    return found, revision


def _phase(events: list[dict[str, Any]], gaps: list[float], inputs: list[float]) -> Phase:
    """What the busiest main thread of a trace did."""
    mains = {
        (each["pid"], each["tid"])
        for each in events
        if each["name"] == "thread_name" and each["args"]["name"] == "CrRendererMain"
    }
    spans: dict[tuple[int, int], list[dict[str, Any]]] = {each: [] for each in mains}
    for each in events:
        if each["ph"] == "X" and "tdur" in each and (each["pid"], each["tid"]) in mains:
            spans[each["pid"], each["tid"]].append(each)
    own = max(spans.values(), key=lambda some: sum(each["tdur"] for each in some))
    tasks = sorted(
        (each for each in own if each["name"] == "ThreadControllerImpl::RunTask"),
        key=lambda each: -each["tdur"],
    )
    longest, parts = tasks[0], Counter[str]()
    for each in own:
        if longest["ts"] <= each["ts"] and each["ts"] + each["dur"] <= longest["ts"] + longest["dur"]:
            parts[each["name"]] += each["tdur"]
    kinds = {name: spent / _US for name, spent in parts.most_common(8) if not name.endswith("RunTask")}
    return Phase(
        sum(each["tdur"] for each in tasks) / _US,
        [each["tdur"] / _US for each in tasks[:20]],
        kinds,
        gaps,
        inputs,
    )


def _say(name: str, found: dict[str, Any]) -> None:
    print(f"{name}: first card {found['first card']:.0f} ms by the clock, all {found['all cards']:.0f}")
    for phase in ("loading", "changing", "filter", "order"):
        one = Phase(**found[phase])
        gaps = sorted(one.gaps)
        print(
            f"  {phase}: processor {one.processor:.0f}, longest tasks {_rounded(one.tasks[:5])} "
            f"({', '.join(f'{kind} {spent:.0f}' for kind, spent in one.parts.items() if spent >= 1)}); by the clock "
            f"{len(gaps)} frames, median {statistics.median(gaps):.0f}, worst {gaps[-1]:.0f}, keys {_rounded(one.inputs)}",
            flush=True,
        )


def _rounded(values: list[float]) -> str:
    return " ".join(f"{each:.0f}" for each in values)


def main() -> None:
    """Measure, in turns, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trees", nargs="+", type=Path, default=[Path(__file__).parents[2]])
    parser.add_argument("--campaigns", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=12, help="for so long frames are watched")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="all figures, for a machine")
    options = parser.parse_args()
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        sys.exit("no Chromium here: apt-get install chromium")
    kept: dict[str, list[Any]] = {str(each): [] for each in options.trees}
    with (
        tempfile.TemporaryDirectory() as name,
        embedded_broker(heap_mb=512) as broker,
        embedded_cache() as cache,
        seeding.Store.from_url(cache.url) as store,
    ):
        settings = Settings(broker=broker.url, redis_url=cache.url, topic_prefix="page-", board_token=TOKEN)
        ensure_topics(settings, create=True)
        store.names = RedisNames(settings.topic_prefix)
        cards, revision = seeding.board(options.campaigns), 1
        seeding.fill(store, cards)
        for number in range(options.rounds):
            for tree in options.trees:
                with _board(tree, settings, Path(name)) as address:
                    while len(ask(f"{address}/api/board")["cards"]) < options.campaigns:
                        time.sleep(0.1)
                    with sync_playwright() as playwright:
                        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
                        found, revision = _measure(browser, address, store, options, revision)
                        browser.close()
                kept[str(tree)].append(found)
                print(f"round {number + 1}, load {load_average():.1f}")
                _say(str(tree), found)
    if options.json:
        options.json.write_text(json.dumps(kept, indent=1))


if __name__ == "__main__":
    main()
