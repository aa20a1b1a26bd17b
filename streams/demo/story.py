"""What happens in the demo's first five minutes, and what to look at: episodes that change a campaign for a while. Pure.

The episodes happen in both arms of the demo; the controller acts in one of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from metrics.values.time import SECOND
from streams import catalogues
from streams.demo.campaign_profiles import CampaignProfile


@dataclass(frozen=True)
class Episode:
    """One event; instants in seconds from the beginning of the story.

    Attributes:
        at_s, until_s: from when to when it lasts.
        campaign_id: whom it happens to; None: nobody.
        what: what happens; ``{name}`` stands for the campaign.
        look: where it shows.
        changes: fields of the profile, and what each is multiplied by meanwhile.
        visitors: what the number of visitors is multiplied by meanwhile.
    """

    at_s: float
    until_s: float
    campaign_id: str | None
    what: str
    look: str
    changes: Mapping[str, float] = field(default_factory=dict)
    visitors: float = 1.0


EPISODES: tuple[Episode, ...] = (
    Episode(
        0, 0, None,
        "The campaigns of one account go live, two hours of history behind them.",
        "Compare each CPL with its target; the controller judges the worst ones within half a minute.",
    ),
    Episode(
        45, 165, "spring-sale-search",
        "The landing page of {name} breaks: hardly a visitor becomes a lead.",
        "Its CPL climbs over its target; spend goes on until the evidence suffices.", {"lead_rate": 0.1},
    ),
    Episode(
        95, 215, "spring-sale-social",
        "Customers of {name} send back most of what they bought.",
        "Its ROI falls while its CPL stays, and corrections of closed windows come in.", {"refund_rate": 9.0},
    ),
    Episode(
        135, 300, "uk-launch-search",
        "A competitor bids on the keywords of {name}: a click costs twice as much.",
        "Spend grows and leads do not; open its card to see how sure the evidence is.", {"click_price": 2.0},
    ),
    Episode(
        165, 165, "spring-sale-search",
        "The landing page of {name} is repaired.",
        "When its hold ends it returns to test, and its evidence begins anew.",
    ),
    Episode(
        195, 255, "newsletter-spring",
        "{name} goes out: five times the visitors for a minute.",
        "Clicks and leads jump and cost hardly moves.", visitors=5.0,
    ),
    Episode(
        240, 100_000_000, "lookalike-social",
        "The tracking of {name} is mended: its leads name the campaign again.",
        "Leads without a campaign grow more slowly from now on.", {"lost_tracking": 0.1},
    ),
    Episode(
        300, 300, None,
        "That was the story; the account lives on.",
        "Pause, move or comment on the board yourself; Ctrl-C shows what control has brought.",
    ),
)  # fmt: skip


class StoryLine(NamedTuple):
    """One line of the story: seconds since it began, and what is said."""

    at_s: float
    text: str


class Story:
    """Which episodes are on.

    Args:
        begins_ms: the simulated instant at which it begins.
        pace: simulated seconds per second of the story.
        episodes: what happens, in order.
    """

    def __init__(self, begins_ms: int, pace: float = 1.0, episodes: Sequence[Episode] = EPISODES) -> None:
        self.begins_ms, self._pace, self.episodes = begins_ms, pace, episodes
        self._profiles: dict[tuple[int, ...], CampaignProfile] = {}

    def seconds(self, at_ms: int) -> float:
        """How far the story is at a simulated instant."""
        return (at_ms - self.begins_ms) / SECOND / self._pace

    def starts_ms(self, episode: Episode) -> int:
        """When a episode begins, simulated."""
        return self.begins_ms + round(episode.at_s * self._pace * SECOND)

    def profile(self, usual: CampaignProfile, at_ms: int) -> CampaignProfile:
        """What a campaign is like at an instant."""
        on = self._on(usual.campaign_id, at_ms)
        if not on:
            return usual
        found = self._profiles.get(on)
        if found is None:
            found = self._profiles[on] = _changed(usual, [self.episodes[number] for number in on])
        return found

    def visitors(self, campaign_id: str, at_ms: int) -> float:
        """What a campaign's visitors are multiplied by at an instant."""
        return max((self.episodes[number].visitors for number in self._on(campaign_id, at_ms)), default=1.0)

    def touched(self, at_ms: int) -> frozenset[str]:
        """Campaigns that the story has changed by an instant."""
        at_s = self.seconds(at_ms)
        return frozenset(each.campaign_id for each in self.episodes if each.campaign_id and each.at_s <= at_s)

    def _on(self, campaign_id: str, at_ms: int) -> tuple[int, ...]:
        at_s = self.seconds(at_ms)
        return tuple(
            number
            for number, each in enumerate(self.episodes)
            if each.campaign_id == campaign_id and each.at_s <= at_s < each.until_s
        )


def _changed(usual: CampaignProfile, episodes: Sequence[Episode]) -> CampaignProfile:
    values: dict[str, Any] = {}
    for episode in episodes:
        for name, factor in episode.changes.items():
            value = values.get(name, getattr(usual, name)) * factor
            values[name] = value if name == "click_price" else min(1.0, value)
    return replace(usual, **values)


def episode_text(episode: Episode, names: Mapping[str, str]) -> str:
    """A episode in the language of the process; names by ``campaign_id``."""
    name = names.get(episode.campaign_id or "", "")
    return f"{catalogues.t(episode.what, name=name)} {catalogues.t(episode.look)}"


def lines(story: Story, names: Mapping[str, str], from_s: float, to_s: float) -> Iterator[StoryLine]:
    """The episodes that begin after one moment of the story and by another, of campaigns that there are."""
    for episode in story.episodes:
        if from_s < episode.at_s <= to_s and (episode.campaign_id is None or episode.campaign_id in names):
            yield StoryLine(episode.at_s, episode_text(episode, names))


def acted(action: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """What a ``budget-action/2`` record does, in the language of the process."""
    values = {"name": names.get(str(action.get("campaign_id")), str(action.get("campaign_id")))}
    rule, verb, column = str(action.get("rule")), action.get("verb"), action.get("column")
    if rule.startswith("evidence:"):
        values["kpi"] = rule.removeprefix("evidence:").upper()
        said = (
            catalogues.t("{name} is stopped: its {kpi} surely misses its target again.", **values)
            if column == "stopped"
            else catalogues.t("{name} is paused: its {kpi} surely misses its target.", **values)
        )
    elif rule == "graduate":
        said = catalogues.t("{name} moves to scale: it surely beats its target.", **values)
    elif rule == "grow":
        said = catalogues.t("{name} gets more budget: it surely beats its target.", **values)
    elif verb == "resume":
        said = catalogues.t("{name} runs again: its hold is over.", **values)
    else:
        said = catalogues.t("{name}: {verb} by {rule}.", verb=verb, rule=rule, **values)
    mode = action.get("mode")
    if mode == "propose":
        return catalogues.t("Proposed on the board: {action}", action=said)
    return said if mode == "enforce" else catalogues.t("Under enforce it would be: {action}", action=said)
