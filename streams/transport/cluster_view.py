"""A look at a cluster and its topics, as each start of a worker takes one.

It goes through the client that a worker has anyway: the administration client of kafka-python (``topic_admin``) takes 70 ms to
import, and is needed where topics are made.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import DescribeConfigsRequest
from aiokafka.protocol.metadata import MetadataRequest

from streams.settings import Settings
from streams.topics import specs
from streams.transport.client_options import aiokafka_options
from streams.transport.connection_check import let_in, quiet_clients
from streams.transport.topic_differences import FoundTopic, TopicDifference, differences

#: The type of a resource that has settings (Kafka protocol, DescribeConfigs).
_TOPIC = 2


class ClusterView(NamedTuple):
    """What was seen.

    Attributes:
        cluster_id: the same for as long as the cluster's disks are; where a broker tells none, its addresses.
        topics: those of the deployment that exist, by full name.
    """

    cluster_id: str
    topics: Mapping[str, FoundTopic]

    def is_incomplete(self, settings: Settings) -> bool:
        """Whether a topic is missing."""
        return any(each.kind == "missing" for each in self.differences(settings))

    def differences(self, settings: Settings) -> list[TopicDifference]:
        """What is not as the settings want it."""
        wanted = specs(settings.topic_prefix, settings.partitions)
        return [each for spec in wanted for each in differences(spec, self.topics.get(spec.name), settings)]


async def view_cluster(settings: Settings) -> ClusterView | None:
    """The cluster's id and the topics of the deployment; None when a broker let us in and then answered otherwise than expected.

    Args:
        settings: where the broker is, for how long it is waited for, prefix and partitions of topics.

    Raises:
        RoistreamError: when no broker lets us in within ``broker_wait``; it names the setting.
    """
    with quiet_clients():
        await let_in(settings, settings.broker_wait)
        client = AIOKafkaClient(**aiokafka_options(settings))
        try:
            await client.bootstrap()
            return await _view(client, settings)
        except KafkaError:
            return None
        finally:
            await client.close()


async def _view(client: Any, settings: Settings) -> ClusterView:
    wanted = {spec.name for spec in specs(settings.topic_prefix, settings.partitions)}
    # All topics are asked for: naming an absent one is an error to some brokers.
    answer = await client.send(client.get_random_node(), MetadataRequest(None))
    described = {
        name: partitions for code, name, _, partitions in answer.topics if not code and name in wanted
    }
    configs = await _configs(client, described)
    topics = {
        name: FoundTopic(
            len(partitions),
            min((len(replicas) for _, _, _, replicas, *_ in partitions), default=0),
            configs[name],
        )
        for name, partitions in described.items()
    }
    return ClusterView(answer.cluster_id or ",".join(settings.bootstrap), topics)


async def _configs(client: Any, names: Collection[str]) -> dict[str, dict[str, str]]:
    """Every setting of topics, by topic; also those that are not modified, since what a cluster has as its default counts, too."""
    if not names:
        return {}
    request = DescribeConfigsRequest([(_TOPIC, name, None) for name in sorted(names)])
    answer = await client.send(client.get_random_node(), request)
    found: dict[str, dict[str, str]] = {}
    for code, message, _, name, entries in answer.resources:
        if code:
            raise for_code(code)(message)
        found[name] = {key: str(value) for key, value, *_ in entries}
    return found
