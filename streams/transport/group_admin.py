"""The workers' consumer group as the broker knows it: who is in it, and taking a member out."""

import time

from kafka.admin import MemberToRemove
from kafka.errors import CoordinatorNotAvailableError

from streams.settings import Settings
from streams.transport.topic_admin import connected_admin

_COORDINATOR_WAIT_S, _COORDINATOR_PAUSE_S = 30.0, 0.25


def running_workers(settings: Settings) -> int:
    """Members of the workers' consumer group.

    Raises:
        KafkaError: when the broker still knows no coordinator of groups after a while; one that has never seen a group makes one now.
    """
    with connected_admin(settings, settings.broker_wait) as admin:
        deadline = time.monotonic() + _COORDINATOR_WAIT_S
        while True:
            try:
                found = admin.describe_groups([settings.group])
            except CoordinatorNotAvailableError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_COORDINATOR_PAUSE_S)
            else:
                return sum(len(group["members"]) for group in found.values())


def leave_group(settings: Settings, member_id: str) -> None:
    """Take a member out of the workers' group; otherwise the group waits for a session timeout (KIP-345 for who has an identity).

    Raises:
        KafkaError: when the broker does not do it.
    """
    with connected_admin(settings, settings.broker_wait) as admin:
        admin.remove_group_members(
            settings.group, [MemberToRemove(member_id=member_id, group_instance_id=settings.instance_id)]
        )
