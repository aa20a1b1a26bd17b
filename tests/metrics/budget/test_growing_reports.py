"""Campaigns that are shown in the daytime only, whose report of the day so far grows: no healthy one pays for where its spend is taken to lie.

Of the time between two reports a platform says only what was spent in it. What begins within that time is spread over all of
it, so that a part lies before it began, where its results can't be.
"""

from types import MappingProxyType

import numpy as np
import pytest
from msgspec.structs import replace

from metrics.budget.machine import Context, Inputs, step
from metrics.budget.policy import parse
from metrics.budget.state import Board
from metrics.entities.campaigns import CampaignFacts
from metrics.entities.reports import Report, covered_end
from metrics.kpis.compose import matched_until
from metrics.values.money import MICROS
from metrics.values.time import DAY, HOUR, MINUTE
from tests.metrics.budget.test_matched_sums import MONDAY, SEED, TARGET, matched
from tests.support.one_campaign import OneCampaign

A_DAY = DAY // MINUTE
POLICY = {"preset": "bold", "learning_phase": "0s", "longest_lag": "1h"}


class Daytime:
    """Campaigns with spend and results from 8:00 to 20:00 UTC, and a report of the day so far at 14 minutes past each hour.

    Args:
        results_a_day: expected on target, as soon as their spend.
        days: that are played.
        size: campaigns.
        bad: so many of them cost twice the target.
    """

    FIRST, LAST, PAST = 8 * 60, 20 * 60, 14

    def __init__(self, results_a_day, *, days=4, size=6, bad=0):
        rng = np.random.default_rng(SEED)
        is_on = np.tile((np.arange(A_DAY) >= self.FIRST) & (np.arange(A_DAY) < self.LAST), days)
        due = is_on * results_a_day / (self.LAST - self.FIRST)
        self.spent = np.append(0.0, (due * TARGET).cumsum())
        self.names = [f"c{number}" for number in range(size)]
        self.bad = set(self.names[:bad])
        self.came = {
            name: np.append(0, rng.poisson(due / (1 + (name in self.bad))).cumsum()) for name in self.names
        }
        self.reports = OneCampaign()  # of all alike
        start = MONDAY + self.FIRST * MINUTE
        cpl = MappingProxyType({"cpl": TARGET * MICROS})
        facts = {
            name: CampaignFacts(name, starts_at=start, targets_micros=cpl, is_reported=True)
            for name in self.names
        }
        now = start
        context = Context(parse(POLICY), "enforce", True, "EUR", facts, reached=lambda _: now)
        self.board, self.paused = Board(), set()
        for minute in range(self.FIRST + self.PAST, days * A_DAY, HOUR // MINUTE):
            now = MONDAY + minute * MINUTE
            self._tell(minute)
            until = matched_until(self.reports, now)
            assert until is not None
            self.board, actions = step(self.board, Inputs(self._readings(now, until)), context, now)
            self.paused |= {each.campaign_id for each in actions if each.rule.startswith("evidence:")}

    def _tell(self, minute):
        midnight = minute // A_DAY * A_DAY
        start, end, now = (MONDAY + each * MINUTE for each in (midnight, midnight + A_DAY, minute))
        so_far = round((self.spent[minute] - self.spent[midnight]) * MICROS)
        if minute - midnight < HOUR // MINUTE and midnight:  # yesterday is whole now
            whole = round((self.spent[midnight] - self.spent[midnight - A_DAY]) * MICROS)
            self.reports.report(Report("ads", None, start - DAY, start, (now, 0, 0), 0, 0, whole, 0))
        seen = covered_end(start, end, now)
        self.reports.report(Report("ads", None, start, end, (now, 1, 0), 0, 0, so_far, 0, seen))

    def _readings(self, now, until):
        spend = self.reports.report_history.before(until).spend_micros
        minute, at = ((each - MONDAY) // MINUTE for each in (now, until))
        for name in self.names:
            leads = self.came[name]
            told = {"leads": int(leads[minute]), "leads_until": int(leads[at])}
            found = matched(name, now, until, spend=spend / MICROS, **told)
            yield replace(found, revision=minute)


@pytest.mark.parametrize("results_a_day", [24, 2_400])
def test_no_healthy_campaign_is_paused_for_the_first_minutes_of_its_day(results_a_day):
    assert Daytime(results_a_day).paused == set()


def test_and_campaigns_at_twice_their_target_are_found():
    found = Daytime(240, size=4, bad=2)
    assert found.paused == found.bad
