"""What operators may write as a policy, and what they are told when it is wrong."""

import pytest

from metrics.budget.policy import parse, preset
from metrics.values.errors import SettingError


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"preset": "brave"}, "budget: preset 'brave' is none of careful, standard, bold."),
        ({"max_stepp": 0.1}, "max_stepp"),
        ({"cooldown": "soon"}, "budget: cooldown: 'soon' is not a duration"),
        ({"columns": {"done": {"limit": 3}}}, "columns.done takes no limit"),
        ({"floor": 5, "ceiling": 1}, "ceiling 1 is below floor 5"),
        ({"grow_by": 0.5}, "grow_by 0.5 is above max_step 0.3"),
        (
            {"campaigns": {"c-1": {"total_ceiling": 3}}},
            "budget.campaigns.c-1: total_ceiling is of the whole board",
        ),
        ({"campaigns": {"c-1": 3}}, "budget.campaigns.c-1 must be a table"),
    ],
)
def test_a_wrong_policy_is_refused_with_a_sentence_that_names_it(table, sentence):
    with pytest.raises(SettingError) as refused:
        parse(table)
    assert sentence in str(refused.value)


def test_presets_differ_and_a_campaign_overrides_the_common_policy():
    assert preset("careful").common.max_step < preset("bold").common.max_step
    policies = parse({"preset": "bold", "campaigns": {"c-1": {"preset": "careful", "floor": 50}}})
    assert policies.of("c-1").hold_for is None
    assert policies.of("c-1").floor == 50
    assert policies.of("c-1").actions_per_hour == policies.common.actions_per_hour
    assert policies.of("c-2") == policies.common
