"""What tests read of a page of metrics is what a parser of the whole page finds."""

from prometheus_client.parser import text_string_to_metric_families

from tests.support.servers.worker import Samples

PAGE = """\
# HELP campaign_clicks_total Clicks.
# TYPE campaign_clicks_total counter
campaign_clicks_total{campaign_id="c-1",channel="search"} 3
campaign_clicks_total{channel="a \\"b\\" } {",campaign_id="c-2"} 1.5e9
# TYPE checkpoint_duration_seconds histogram
checkpoint_duration_seconds_bucket{le="0.1"} 4
checkpoint_duration_seconds_bucket{le="+Inf"} 5
checkpoint_duration_seconds_sum 0.7
checkpoint_duration_seconds_count 5
# TYPE ready gauge
ready 1
"""


def test_samples_of_each_name_are_those_of_the_whole_page():
    whole: dict[str, dict] = {}
    for family in text_string_to_metric_families(PAGE):
        for sample in family.samples:
            whole.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    assert dict(Samples(PAGE)) == whole
    assert len(whole) == 5
    assert Samples(PAGE)["clicks"] == Samples("")["ready"] == {}
