"""The look that each start takes: it sees what the administration client sees, and hands over to it where topics are missing."""

import asyncio

import pytest
from kafka import KafkaAdminClient

from metrics.values.errors import RoistreamError
from streams import topics
from streams.embedded.child_process import free_ports
from streams.settings import Settings
from streams.transport.cluster_view import view_cluster
from streams.transport.topic_admin import cluster_id, ensure_topics
from streams.worker import prepare_topics


def view(settings):
    found = asyncio.run(view_cluster(settings))
    assert found is not None
    return found


def test_a_look_sees_what_the_administration_client_sees(broker, settings_for) -> None:
    settings = settings_for(broker, partitions=3)
    assert view(settings).is_incomplete(settings)
    assert view(settings).differences(settings) == ensure_topics(settings, create=False)
    ensure_topics(settings, create=True)
    found = view(settings)
    assert not found.is_incomplete(settings)
    assert found.differences(settings) == []
    assert found.cluster_id == cluster_id(settings)


def test_what_differs_is_said_in_the_same_sentences(broker, settings_for) -> None:
    settings = settings_for(broker, partitions=3)
    admin = KafkaAdminClient(bootstrap_servers=settings.bootstrap)
    names = [settings.topic(name) for name in (topics.ORDERS, topics.INTAKE_CHANGELOG)]
    admin.create_topics({name: {"num_partitions": 5, "replication_factor": 1} for name in names})
    admin.wait_for_topics(names)
    admin.close()
    found = ensure_topics(settings, create=True)
    assert {each.topic for each in found} == set(names)
    assert {"partitions", "config", "cleanup"} <= {each.kind for each in found}
    assert view(settings).differences(settings) == found


def test_a_start_makes_the_topics_that_are_missing_and_names_the_cluster(broker, settings_for) -> None:
    settings = settings_for(broker, partitions=1)
    assert prepare_topics(settings) == cluster_id(settings)
    assert prepare_topics(settings) == cluster_id(settings)
    assert view(settings).differences(settings) == []


def test_an_absent_broker_is_an_error_that_names_the_address() -> None:
    (port,) = free_ports(1)
    settings = Settings(broker=f"kafka://127.0.0.1:{port}", broker_wait="300ms")
    with pytest.raises(RoistreamError, match=rf"127\.0\.0\.1:{port} within 300ms"):
        asyncio.run(view_cluster(settings))
