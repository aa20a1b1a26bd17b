"""``roistream doctor``: what is well, what is not, and what to do about it. Changes nothing that stays.

Each check returns findings; the first broken link (settings, then broker) spares the checks behind it.
The probe of the broker's clock uses a topic of its own, so that no source counts a record of ours.
"""

import asyncio
import contextlib
import errno
import socket
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import redis
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from metrics.values.errors import RoistreamError
from metrics.values.time import SECOND, format_duration
from streams import catalogues, topics
from streams.commands.recover import examine as examine_states
from streams.commands.sampled_records import judge_sample, read_newest
from streams.process import now_ms
from streams.settings import Settings
from streams.sinks.redis_names import OWNER, ForeignOwnerError, RedisNames
from streams.state.settings_table import History, json_text, read_history, refusal
from streams.transport.client_options import aiokafka_options, kafka_python_options
from streams.transport.client_stop import stop_client
from streams.transport.group_admin import running_workers
from streams.transport.log_reader import read_whole
from streams.transport.topic_admin import cluster_id_of, connected_admin, survey_topics
from streams.transport.transactions import why_no_transactions

#: Nobody waits a minute for a doctor.
_BROKER_WAIT_MS = 10_000
_PROBE_S = 15
_LONG_AGO_MS = 1_000_000_000_000
_MIN_REDIS = 6
_PAGE_S = 5
#: Share of the spend by which reports of two grains may differ: platforms round, and correct hours later than days.
_NOTABLE_DISAGREEMENT = 0.05
#: More than that between two clocks is worth a word.
_NOTABLE_SKEW_MS = SECOND

State = Literal["ok", "warning", "failed"]
_COLOURS: dict[State, str] = {"ok": "green", "warning": "yellow", "failed": "red"}


@dataclass(frozen=True)
class Finding:
    """One line of the report; a text that is not ``ok`` says what to do."""

    subject: str
    state: State
    text: str


def run(settings: Settings) -> int:
    """Prints a line per finding as it is made; 1 when one has failed, else 0."""
    console = Console()
    worst = 0
    for finding in examine(settings, now_ms):
        colour = _COLOURS[finding.state]
        state, subject = catalogues.t(finding.state), catalogues.t(finding.subject)
        line = f"[{colour}]{state:<8}[/{colour}] {subject:<13}"
        console.print(line, end="", highlight=False)
        console.print(" " + catalogues.said(finding.text), markup=False, highlight=False, soft_wrap=True)
        worst = max(worst, int(finding.state == "failed"))
    return worst


def examine(settings: Settings, now_ms: Callable[[], int]) -> Iterator[Finding]:
    """All findings, in the order a person would look."""
    yield (verdict := _check_settings(settings))
    if verdict.state != "failed":
        yield from _check_broker(settings, now_ms)
    yield _check_redis(settings)
    yield _check_port(settings)
    yield from _check_figures(settings)


def _check_settings(settings: Settings) -> Finding:
    try:
        kafka_python_options(settings)
    except RoistreamError as error:
        return Finding("settings", "failed", str(error))
    text = f"prefix {settings.topic_prefix!r}, {settings.partitions} partitions, group {settings.group_id}"
    return Finding("settings", "ok", text)


def _check_broker(settings: Settings, now_ms: Callable[[], int]) -> Iterator[Finding]:
    try:
        with connected_admin(settings, min(settings.broker_wait, _BROKER_WAIT_MS)) as admin:
            brokers = admin.describe_cluster()["brokers"]
            yield judge_replication(len(brokers), settings)
            yield _check_transactions(settings)
            yield from _check_owner(cluster_id_of(admin, settings), settings)
            found = list(_check_topics(admin, settings))
            yield from found
            if not any(each.state == "failed" for each in found):
                yield (kept := _check_kept_settings(settings))
                if kept.state != "failed":
                    yield from _check_lineage(settings)
                yield from _check_records(settings)
            yield _check_clock(admin, settings, now_ms)
    except RoistreamError as error:
        yield Finding("broker", "failed", str(error))


def judge_replication(brokers: int, settings: Settings) -> Finding:
    """Enough brokers for the copies asked for, and more than one copy where there may be."""
    reached = f"{brokers} reached through {', '.join(settings.bootstrap)}"
    if settings.replication_factor > brokers:
        text = (
            f"{reached}; set ROISTREAM_REPLICATION_FACTOR (now {settings.replication_factor}) to {brokers}."
        )
        return Finding("broker", "failed", text)
    if settings.replication_factor == 1 < brokers:
        text = f"{reached}; one lost disk loses state: set ROISTREAM_REPLICATION_FACTOR to {min(brokers, 3)}."
        return Finding("broker", "warning", text)
    return Finding("broker", "ok", reached)


def _check_transactions(settings: Settings) -> Finding:
    refusal = asyncio.run(why_no_transactions(settings, _PROBE_S * SECOND))
    if refusal is not None:
        return Finding("transactions", "failed", refusal)
    return Finding("transactions", "ok", "two owners of one partition are fenced")


def _check_topics(admin: Any, settings: Settings) -> Iterator[Finding]:
    survey = survey_topics(admin, settings, create=False)
    missing = [each.topic for each in survey.differences if each.kind == "missing"]
    if missing:
        names = missing[0]
        if len(missing) > 1:
            names = catalogues.t("{names} and {count} more", names=missing[0], count=len(missing) - 1)
        yield Finding("topics", "failed", f"{names} missing; create with: roistream topics")
    elif not survey.differences:
        yield Finding("topics", "ok", f"all {len(survey.specs)} exist with their partitions and configs")
    for each in survey.differences:
        if each.kind != "missing":
            state: State = "warning" if each.kind == "replication" else "failed"
            yield Finding("partitions" if each.kind == "partitions" else "topics", state, each.sentence)


def _check_lineage(settings: Settings) -> Iterator[Finding]:
    """Compares states with each other and with the logs that they were made from."""
    if running_workers(settings):
        text = "workers run; each compares them with each other and with the logs when it takes them over, and ends where they differ"
        yield Finding("states", "ok", text)
        return
    try:
        examined = asyncio.run(asyncio.wait_for(examine_states(settings), _PROBE_S))
    except TimeoutError:
        text = f"not read in {_PROBE_S} s; roistream recover compares them with the logs, however long that takes."
        yield Finding("states", "warning", text)
        return
    for sentence in examined.sentences:
        yield Finding("states", "failed", sentence)
    if not examined.sentences:
        yield Finding("states", "ok", "all fit together and to the logs that they were made from")


def _check_kept_settings(settings: Settings) -> Finding:
    """Compares the settings with those that the state was made with."""
    try:
        history = asyncio.run(asyncio.wait_for(_kept_settings(settings), _PROBE_S))
    except TimeoutError:
        text = f"not compared with those of the state, which is not read in {_PROBE_S} s; a worker compares them at its start."
        return Finding("kept settings", "warning", text)
    return judge_kept_settings(history, settings)


async def _kept_settings(settings: Settings) -> History:
    found: History = {}
    async for entries in read_whole(settings, topics.INTAKE_CHANGELOG, 0):
        found = read_history(entries) or found
    return found


def judge_kept_settings(history: History, settings: Settings) -> Finding:
    """Whether a worker with these settings may go on with the state, and what holds from its start on."""
    values = {name: json_text(value) for name, value in settings.kept_values.items()}
    refused = refusal(history, values)
    if refused is not None:
        return Finding("kept settings", "failed", refused)
    changed = [
        f"{name.upper()} {history[name][-1].text} -> {text}"
        for name, text in values.items()
        if name in history and history[name][-1].text != text
    ]
    if changed:
        text = f"hold from the next start on: {', '.join(changed)} (docs/operations.md, Settings that change)"
        return Finding("kept settings", "warning", text)
    return Finding(
        "kept settings", "ok", "as the state was made with" if history else "there is no state yet"
    )


def _check_records(settings: Settings) -> Iterator[Finding]:
    """Looks at the newest records of each source."""
    try:
        sample = asyncio.run(asyncio.wait_for(read_newest(settings), 2 * _PROBE_S))
    except (KafkaError, TimeoutError) as error:
        yield Finding("records", "warning", f"not looked at: {error!r}.")
        return
    found = list(judge_sample(sample, settings))
    for subject, text in found:
        yield Finding(subject, "warning", text)
    count = sum(map(len, sample.values()))
    if count and not found:
        yield Finding(
            "records", "ok", f"keys, names, ids and reports of the newest {count} give no cause for a word"
        )


def _check_clock(admin: Any, settings: Settings, now_ms: Callable[[], int]) -> Finding:
    """Compares the clocks by one record with an old time: the broker should put its own in its place."""
    topic = settings.topic("roistream-doctor")
    configs = {"message.timestamp.type": "LogAppendTime", "retention.ms": "3600000"}
    request = {topic: {"num_partitions": 1, "replication_factor": 1, "configs": configs}}
    created = admin.create_topics(request, raise_errors=False)["topics"][0]
    if created["error_code"]:
        text = f"not compared: the broker does not create {topic} ({created['error_message']})."
        return Finding("clock", "warning", text)
    try:
        admin.wait_for_topics([topic], timeout_ms=_PROBE_S * SECOND)
        before = now_ms()
        stamped = asyncio.run(_append_time(settings, topic))
        return judge_clock(stamped, before, now_ms(), settings)
    finally:
        admin.delete_topics([topic], raise_errors=False)


async def _append_time(settings: Settings, topic: str) -> int:
    producer = AIOKafkaProducer(**aiokafka_options(settings), acks="all")
    try:
        await producer.start()
        sending = producer.send_and_wait(topic, b"doctor", partition=0, timestamp_ms=_LONG_AGO_MS)
        return int((await asyncio.wait_for(sending, _PROBE_S)).timestamp)
    except (KafkaError, TimeoutError) as error:
        raise RoistreamError(f"The broker takes no record in {topic}: {error!r}; see its log.") from error
    finally:
        await stop_client(producer)


def judge_clock(stamped: int, before: int, after: int, settings: Settings) -> Finding:
    """The broker stamped a record between two readings of our clock, if the clocks agree."""
    if stamped == _LONG_AGO_MS:
        text = (
            "the broker keeps its producers' timestamps (no LogAppendTime), so a fast clock is not noticed "
            "as future_timestamp; use Apache Kafka where that matters."
        )
        return Finding("clock", "warning", text)
    skew = max(before - stamped, 0) - max(stamped - after, 0)
    if abs(skew) <= _NOTABLE_SKEW_MS:
        return Finding("clock", "ok", "this machine and the broker agree within a second")
    apart = format_duration(abs(skew))
    if skew > settings.max_future:
        text = (
            f"the broker's clock is {apart} behind this machine's; synchronise both (NTP). More than ROISTREAM_MAX_FUTURE behind, "
            "it turns honest events into future_timestamp."
        )
        return Finding("clock", "failed", text)
    text = f"the broker's clock is {apart} ahead of this machine's; synchronise both (NTP)."
    if skew > 0:
        text = f"the broker's clock is {apart} behind this machine's; synchronise both (NTP)."
    return Finding("clock", "warning", text)


def _check_redis(settings: Settings) -> Finding:
    if settings.redis_url is None:
        return Finding("redis", "ok", "not used (ROISTREAM_REDIS_URL is not set)")
    url = settings.redis_url.get_secret_value()
    try:
        with contextlib.closing(redis.Redis.from_url(url, socket_timeout=5)) as client:
            version = str(client.info("server")["redis_version"])
    except (ValueError, TypeError):  # not told: the client's words may quote the password
        text = "ROISTREAM_REDIS_URL is no address; write it like redis://user:password@host:6379/0."
        return Finding("redis", "failed", text)
    except redis.AuthenticationError as error:
        return Finding(
            "redis", "failed", f"refuses us ({error}); correct user and password in ROISTREAM_REDIS_URL."
        )
    except (redis.RedisError, OSError) as error:
        text = f"no answer ({error}); start it, correct ROISTREAM_REDIS_URL, or unset it to do without."
        return Finding("redis", "failed", text)
    if int(version.split(".", maxsplit=1)[0]) < _MIN_REDIS:
        return Finding("redis", "failed", f"version {version}; {_MIN_REDIS} or later is needed: upgrade it.")
    return Finding("redis", "ok", catalogues.t("version {version}", version=version))


def _check_owner(cluster: str, settings: Settings) -> Iterator[Finding]:
    """Whether the keys of Redis are those of this deployment; what else there is about Redis is said by ``_check_redis``."""
    if settings.redis_url is None:
        return
    names = RedisNames(settings.topic_prefix, cluster)
    with contextlib.suppress(redis.RedisError, OSError, ValueError, TypeError):
        url = settings.redis_url.get_secret_value()
        with contextlib.closing(redis.Redis.from_url(url, socket_timeout=5, decode_responses=True)) as client:
            owner: Any = client.hget(names.views, OWNER)
        try:
            names.check(owner)
        except ForeignOwnerError as error:
            yield Finding("redis keys", "failed", str(error))


def _check_figures(settings: Settings) -> Iterator[Finding]:
    """Asks the worker of this machine, where there is one, whether its figures are those of the ledger, and what its reports say."""
    url = f"http://{settings.http_host}:{settings.http_port}/metrics"
    try:
        with urllib.request.urlopen(url, timeout=_PAGE_S) as answer:
            page = answer.read().decode()
    except (OSError, ValueError):
        yield Finding("figures", "ok", f"not compared with the ledger: no worker answers at {url}")
        return
    yield judge_figures(page)
    yield from judge_reports(page)


def judge_figures(page: str) -> Finding:
    """Whether a worker's page of metrics says that its figures count back to the ledger."""
    found = [
        f"{sample.value:+.0f} {sample.labels['figure']} ({sample.labels['stage']}-{sample.labels['partition']})"
        for family in text_string_to_metric_families(page)
        if family.name == "roistream_ledger_difference"
        for sample in family.samples
        if sample.value
    ]
    if not found:
        return Finding("figures", "ok", "the worker's figures count back to the ledger")
    text = (
        f"differ from the ledger by {', '.join(found)}; see docs/boards.md, RoistreamFiguresDifferFromLedger."
    )
    return Finding("figures", "failed", text)


def judge_reports(page: str) -> Iterator[Finding]:
    """What a worker's page of metrics says of reports about the same time; nothing where there are none."""
    found: dict[str, dict[str, float]] = {
        "campaign_covered_reports": {},
        "campaign_report_disagreement_ratio": {},
    }
    for family in text_string_to_metric_families(page):
        if family.name in found:
            found[family.name] = {each.labels["campaign_id"]: each.value for each in family.samples}
    covered, differing = found.values()
    if not any(covered.values()):
        return
    count = round(sum(covered.values()))
    worst = max(differing, key=lambda name: (differing[name], name), default="")
    if not worst or differing[worst] <= _NOTABLE_DISAGREEMENT:
        text = f"{count} are covered by others of their time, and count nowhere or in part; where grains overlap they agree"
        yield Finding("reports", "ok", text)
        return
    share = catalogues.percent(differing[worst])
    text = (
        f"{count} are covered by others of their time, and count nowhere or in part; those of {worst!r} differ from the coarser "
        f"ones by {share} of their spend. Compare both with the platform: a connector leaves something out, or two connectors "
        "read different accounts under one source."
    )
    yield Finding("reports", "warning", text)


def _check_port(settings: Settings) -> Finding:
    host, port = settings.http_host, settings.http_port
    if port == 0:
        return Finding("http", "ok", "any free port will be taken (ROISTREAM_HTTP_PORT is 0)")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return judge_port(error, host, port)
    return Finding("http", "ok", catalogues.t("{address} is free", address=f"{host}:{port}"))


def judge_port(error: OSError, host: str, port: int) -> Finding:
    """Why the worker could not listen there."""
    if error.errno == errno.EADDRINUSE:
        text = f"{host}:{port} is taken; unless that is your worker, set ROISTREAM_HTTP_PORT to another."
        return Finding("http", "warning", text)
    if error.errno == errno.EACCES:
        return Finding("http", "failed", f"{port} needs privileges; set ROISTREAM_HTTP_PORT above 1023.")
    text = f"{host} is no address of this machine ({error.strerror}); correct ROISTREAM_HTTP_HOST."
    return Finding("http", "failed", text)
