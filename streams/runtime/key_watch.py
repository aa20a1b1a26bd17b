"""Finds sources whose keys are mostly not their visitors', and says once what to set. No I/O."""

from collections.abc import Mapping

from metrics.records.partition_keys import KEY_KINDS

#: So many records of a source say enough of its keys.
_ENOUGH = 1_000


class KeyWatch:
    """Sources that were warned of.

    >>> watch, keys = KeyWatch(), {("ad-clicks", "visitor"): 10, ("ad-clicks", "other"): 990}
    >>> len(watch.look(keys)), len(watch.look(keys))
    (1, 0)
    """

    def __init__(self) -> None:
        self._warned: set[str] = set()

    def look(self, keys: Mapping[tuple[str, str], int]) -> list[str]:
        """What to say of sources that nothing was said of yet.

        Args:
            keys: records with a visitor, by source topic and by what their key is.
        """
        found = []
        for topic in sorted({topic for topic, _ in keys} - self._warned):
            total = sum(keys.get((topic, kind), 0) for kind in KEY_KINDS)
            said = judge_keys(topic, keys.get((topic, "other"), 0), total)
            if said is not None:
                self._warned.add(topic)
                found.append(said)
        return found


def judge_keys(topic: str, others: int, total: int, enough: int = _ENOUGH) -> str | None:
    """What to do where most keys of a source are neither its visitors' nor ids of its records; None where they are not.

    Args:
        topic: of the source.
        others: records whose key is something else.
        total: records with a key and a visitor.
        enough: fewer records say nothing.
    """
    if total < enough or 2 * others <= total:
        return None
    share = f"{round(100 * others / total)} %"
    return (
        f"{topic}: {share} of its keys are not the visitor_id of their record. Where they mean "
        "something else than the person (a session, a tenant), set ROISTREAM_REKEY=visitor on all workers; where they "
        "are the visitor_id by which a person was first known, nothing is wrong (docs/attribution.md)."
    )
