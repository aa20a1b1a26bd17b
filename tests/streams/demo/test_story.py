"""The demo's story: episodes change a campaign for a while in both arms, and each is marked where people look."""

import io
from itertools import pairwise

import msgspec
import pytest
from rich.console import Console

from metrics.budget.records import BudgetDecision
from metrics.values.time import SECOND
from streams import topics
from streams.demo.live_table import render
from streams.demo.simulated_clock import SimulatedClock
from streams.demo.story import EPISODES, Episode, Story, StoryLine, acted, lines
from streams.demo.table_state import KnownCampaign, TableState
from streams.demo.world import DemoWorld

NOW = 1_795_294_803_333
BROKEN = next(episode for episode in EPISODES if "lead_rate" in episode.changes)


@pytest.fixture
def world() -> DemoWorld:
    return DemoWorld(7, 12, 20.0, SimulatedClock.starting(NOW))


def names(world: DemoWorld) -> dict[str, str]:
    return {each.campaign_id: each.name for each in world.profiles}


def test_episodes_are_of_campaigns_of_the_first_dozen_and_in_order(world) -> None:
    assert [episode.at_s for episode in EPISODES] == sorted(episode.at_s for episode in EPISODES)
    assert {episode.campaign_id for episode in EPISODES} - {None} <= set(names(world))
    assert max(episode.at_s for episode in EPISODES) == 300


def test_an_episode_changes_its_campaign_while_it_lasts_and_no_other(world) -> None:
    story = Story(NOW)
    profiles = {each.campaign_id: each for each in world.profiles}
    usual, other = profiles[BROKEN.campaign_id], profiles["brand-search"]
    during = NOW + round((BROKEN.at_s + 1) * SECOND)
    assert story.profile(usual, NOW) is usual
    assert story.profile(usual, during).lead_rate == usual.lead_rate * BROKEN.changes["lead_rate"]
    assert story.profile(other, during) is other
    assert story.profile(usual, NOW + round(BROKEN.until_s * SECOND)) is usual


def test_a_share_stays_a_share_and_a_price_may_grow() -> None:
    world = DemoWorld(7, 1, 20.0, SimulatedClock.starting(NOW))
    (usual,) = world.profiles
    episode = Episode(0, 10, usual.campaign_id, "", "", {"refund_rate": 1_000.0, "click_price": 2.0})
    changed = Story(NOW, episodes=[episode]).profile(usual, NOW)
    assert (changed.refund_rate, changed.click_price) == (1.0, 2 * usual.click_price)


def test_in_a_time_lapse_the_story_is_told_at_the_readers_pace() -> None:
    story = Story(NOW, pace=60.0)
    assert story.seconds(NOW + 60 * 60 * SECOND) == 60.0
    assert story.starts_ms(BROKEN) == NOW + round(BROKEN.at_s * 60 * SECOND)


def test_each_episode_is_told_once_however_the_time_is_cut(world) -> None:
    story, told = Story(NOW), []
    moments = [-1.0, 0.0, 44.9, 45.0, 45.1, 200.0, 301.0]
    for before, after in pairwise(moments):
        told += lines(story, names(world), before, after)
    assert [line.at_s for line in told] == [episode.at_s for episode in EPISODES]
    assert "Spring sale – search" in told[1].text
    only_one = lines(story, {"brand-search": "Our brand"}, -1, 301)
    assert len(list(only_one)) == sum(episode.campaign_id is None for episode in EPISODES)


@pytest.mark.slow
def test_a_broken_landing_page_brings_fewer_leads_and_a_comment_marks_it_on_the_card(world) -> None:
    list(world.advance(NOW))
    world.begin_story(NOW)

    def leads_of(until_s: float) -> int:
        found = [
            a
            for a in world.advance(NOW + round(until_s * SECOND))
            if a.topic == topics.LEADS and a.record.get("campaign_id") == BROKEN.campaign_id
        ]
        return len(found)

    before = leads_of(BROKEN.at_s)
    leads_of(BROKEN.at_s + 30)  # clicks of before convert
    assert leads_of(BROKEN.at_s + 30 + BROKEN.at_s) < before / 3


def test_comments_of_the_story_are_decisions_that_ask_for_nothing_and_are_no_records_of_sources(
    world,
) -> None:
    list(world.advance(NOW))
    sent = world.counts["sent"]
    world.begin_story(NOW)
    arrivals = list(world.advance(NOW + 50 * SECOND))
    comments = [a for a in arrivals if a.topic == topics.BUDGET_DECISIONS]
    (comment,) = [msgspec.json.decode(a.payload(), type=BudgetDecision) for a in comments]
    assert (comment.campaign_id, comment.verb, comment.by) == (BROKEN.campaign_id, "comment", "demo")
    assert "landing page" in comment.reason
    assert world.counts["sent"] - sent == len(arrivals) - 1


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ({"rule": "evidence:cpl", "verb": "pause"}, "One is paused: its CPL surely misses its target."),
        ({"rule": "evidence:roas", "verb": "move", "column": "stopped"}, "One is stopped: its ROAS"),
        ({"rule": "graduate", "verb": "move"}, "One moves to scale"),
        ({"rule": "hold expired", "verb": "resume"}, "One runs again"),
        ({"rule": "operator:pause", "verb": "pause"}, "One: pause by operator:pause."),
        ({"rule": "grow", "verb": "set_budget", "mode": "propose"}, "Proposed on the board: One gets more"),
        ({"rule": "grow", "verb": "set_budget", "mode": "observe"}, "Under enforce it would be: One gets"),
    ],
)
def test_what_the_controller_does_is_part_of_the_story(action, said) -> None:
    record = {"campaign_id": "c-1", "mode": "enforce", **action}
    assert acted(record, {"c-1": "One"}).startswith(said)


@pytest.mark.parametrize("width", [40, 80, 160])
def test_the_table_shows_the_newest_of_the_story_and_on_a_phone_the_board_alone(width) -> None:
    links = {"metrics": "http://127.0.0.1:6066/metrics", "board": "http://127.0.0.1:6067/#token=t"}
    state = TableState([KnownCampaign("c-1", "One", "search")], links)
    state.story = [StoryLine(float(at), f"episode {at}") for at in range(0, 120, 20)]
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(render(state, width))
    page = console.file.getvalue()
    assert "1:40  episode 100" in page
    assert ("1:20  episode 80" in page) == (width >= 60)
    assert "127.0.0.1:6067" in page
    assert ("127.0.0.1:6066" in page) == (width >= 60)
