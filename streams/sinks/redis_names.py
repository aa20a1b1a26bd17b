"""What keys and channels of Redis are called in a deployment, and who writes them (docs/contract.md, Redis).

The prefix of a deployment's topics stands before its names in Redis, too. No name ends in another one, so two prefixes never make one
key. Two deployments without a prefix, or with the same one, are told apart by their Kafka clusters: ``roistream:views`` names the cluster
of the deployment that writes there, and who runs on another cluster writes nothing.
"""

from collections.abc import Mapping
from typing import NamedTuple

from metrics.values.errors import RoistreamError

#: The field of the hash ``views`` that names the Kafka cluster whose figures the keys hold.
OWNER = "owner"


class ForeignOwnerError(RoistreamError):
    """The keys belong to a deployment on another Kafka cluster; nothing was written."""


class RedisNames(NamedTuple):
    """Names of one deployment, and who it is.

    Attributes:
        prefix: of its topics; empty: the names as docs/contract.md has them.
        owner: id of its Kafka cluster; empty: nobody writes, so no other owner is looked for.
    """

    prefix: str = ""
    owner: str = ""

    def name(self, rest: str) -> str:
        """A key or channel.

        >>> RedisNames().name("board"), RedisNames("emea-").name("board")
        ('roistream:board', 'roistream:emea-board')
        """
        return f"roistream:{self.prefix}{rest}"

    def readings(self, model: str, window: str) -> str:
        """The hash of the newest readings of campaigns, by campaign."""
        return self.name(f"kpis:{model}:{window}")

    @property
    def kpis(self) -> str:
        """The channel of readings of campaigns."""
        return self.name("kpis")

    @property
    def rollups(self) -> str:
        """The channel of readings of roll-ups."""
        return self.name("rollups")

    @property
    def customers(self) -> str:
        """The channel of records of customers; the hash of a cohort is ``customers:<model>:<cohort>``."""
        return self.name("customers")

    @property
    def views(self) -> str:
        """The hash that names the views, the generation of the data, and the owner."""
        return self.name("views")

    @property
    def board(self) -> str:
        """The hash of cards, and the channel of those that change."""
        return self.name("board")

    @property
    def board_columns(self) -> str:
        """The hash of columns."""
        return self.name("board:columns")

    @property
    def board_ended(self) -> str:
        """Sessions that were ended before their time: ids with the instants at which they would have ended."""
        return self.name("board:ended")

    @property
    def board_notes(self) -> str:
        """Alerts on the pipeline that fire, by fingerprint: each board shows those that came to any of them."""
        return self.name("board:notes")

    @property
    def workers(self) -> str:
        """The channel on which workers say how they are."""
        return self.name("workers")

    def check(self, owner: str | None) -> None:
        """Compare the owner that Redis names with this deployment.

        Raises:
            ForeignOwnerError: when it is another one; the sentence says what to do.
        """
        if owner is None or not self.owner or owner == self.owner:
            return
        raise ForeignOwnerError(
            f"The keys {self.name('')}… of this Redis belong to a deployment on another Kafka cluster ({owner}; this one runs on "
            f"{self.owner}): nothing is written to Redis. Give one of both another ROISTREAM_TOPIC_PREFIX, or in ROISTREAM_REDIS_URL "
            "another Redis or another database. If the other is gone for good, empty this Redis: it is filled again."
        )

    def is_own(self, fields: Mapping[str, str]) -> bool:
        """Whether the fields of ``views`` are of this deployment, or of nobody yet."""
        try:
            self.check(fields.get(OWNER))
        except ForeignOwnerError:
            return False
        return True
