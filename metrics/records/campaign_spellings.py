"""Campaign ids that differ only in how they are written: "Spring%20Sale", "spring sale", "Spring+Sale".

Links, exports and people write one campaign in several ways, and each is a campaign of its own: the spend on one of them, the
orders on another. They are found and said; only an operator can know whether they are one.
"""

import unicodedata
from collections.abc import Iterable
from urllib.parse import unquote_plus


def plain_form(campaign_id: str) -> str:
    r"""An id without what spellings of it differ in: percent and plus encoding, Unicode's forms, case, spaces.

    >>> {plain_form(each) for each in ("Spring%20Sale", "spring  sale", "SPRING+SALE", "Spring\u00a0Sale")}
    {'spring sale'}
    """
    decoded = unquote_plus(campaign_id, errors="replace")
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", decoded).casefold())
    return " ".join(folded.split())


class CampaignSpellings:
    """Campaign ids met so far, by their plain form.

    >>> met = CampaignSpellings(); met.note(["Spring", "autumn"]); met.note(["spring", "SPRING ", "autumn"])
    >>> met.alike(), met.count
    ([('SPRING ', 'Spring', 'spring')], 3)
    """

    def __init__(self, joined: Iterable[str] = ()) -> None:
        """Take ids that a rule joins with another one: those are not looked at."""
        self._met = set(joined)
        self._by_form: dict[str, list[str]] = {}
        #: Ids that differ from another one in spelling alone.
        self.count = 0

    def note(self, campaign_ids: Iterable[str]) -> None:
        """Take in ids; those met before cost nothing."""
        for campaign_id in campaign_ids:
            if campaign_id in self._met:
                continue
            self._met.add(campaign_id)
            spellings = self._by_form.setdefault(plain_form(campaign_id), [])
            spellings.append(campaign_id)
            self.count += 2 if len(spellings) == 2 else int(len(spellings) > 2)

    def alike(self) -> list[tuple[str, ...]]:
        """The ids that are alike, in groups, by name."""
        return sorted(tuple(sorted(each)) for each in self._by_form.values() if len(each) > 1)
