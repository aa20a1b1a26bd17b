"""The same money once, on a real worker of two partitions: what counts once, and what is said where it cannot."""

from metrics.values.hashing import partitions_of
from metrics.values.time import DAY, HOUR, MINUTE, floor_to
from streams import topics
from streams.commands.doctor import examine
from streams.process import now_ms
from streams.transport.topic_admin import ensure_topics
from tests.support.outside import last_revisions, published, write
from tests.support.servers.worker import running_worker, wait_for

#: Visitors by partition, of two.
VISITORS = [[f"v{n}" for n in range(40) if partitions_of([f"v{n}".encode()], 2)[0] == p] for p in (0, 1)]
NOW = now_ms()


def click(n, campaign, visitor="v0", **more):
    value = {"event_id": f"c{n}", "occurred_at": NOW - MINUTE, "campaign_id": campaign, "visitor_id": visitor}
    return topics.CLICKS, visitor.encode(), value | more


def order(n, visitor, customer, campaign, revenue, at=NOW - MINUTE, **more):
    value = {"event_id": f"e{n}", "order_id": f"o{n}", "occurred_at": at, "visitor_id": visitor}
    value |= {"customer_id": customer, "campaign_id": campaign, "revenue": revenue}
    return topics.ORDERS, visitor.encode(), value | more


def report(n, start, end, spend):
    value = {"report_id": f"r{n}", "source": "ads", "campaign_id": "reported", "period_start": start}
    value |= {"period_end": end, "reported_at": end, "spend": spend}
    return topics.REPORTS, b"reported", value


def totals(settings):
    """The last reading of each campaign's total."""
    found = last_revisions(published(settings))
    return {campaign: each for (campaign, window, _), each in found.items() if window == "total"}


def test_what_means_the_same_money_counts_once_or_is_said(broker, settings_for, tmp_path) -> None:
    rules = tmp_path / "aliases.toml"
    rules.write_text('"Spring%20Sale" = "spring sale"\n"SPRING SALE" = "spring sale"\n')
    settings = settings_for(broker, partitions=2, campaign_aliases=rules)
    ensure_topics(settings, create=True)
    (here, there), day = VISITORS, floor_to(NOW, DAY) - DAY
    registered = {"reported": {"cost_basis": "reports"}, "Autumn": {}}
    write(
        settings,
        [
            *[(topics.CAMPAIGNS, name.encode(), {"campaign_id": name, **more}) for name, more in registered.items()],
            # One customer on three devices of two partitions, the first order read last.
            click(0, "shop", here[0], cost=10),
            order(0, here[0], "ann", "shop", 50, NOW - 2 * MINUTE),
            order(1, there[0], "ann", "shop", 50, NOW - 3 * MINUTE),
            order(2, there[1], "ann", "shop", 50),
            # An order whose refund comes on another partition.
            order(3, here[2], "bob", "split", 30),
            order(3, there[2], "bob", "split", 10, kind="refunded", event_id="e3-refund"),
            # Four spellings, two of them joined; and one of a campaign that is only registered.
            *[click(f"s{n}", name) for n, name in enumerate(("spring sale", "Spring%20Sale", "SPRING SALE"))],
            click("a", "autumn", there[3]),
            # Two hours, and the day over them that says a tenth more.
            *[report(n, day + n * HOUR, day + (n + 1) * HOUR, "5") for n in range(24)],
            report("day", day, day + DAY, "132"),
        ],
    )  # fmt: skip
    with running_worker(settings, tmp_path) as worker:
        wait_for(
            "everything is published",
            lambda: {"shop", "split", "spring sale", "autumn", "reported"} <= totals(settings).keys(),
        )
        wait_for("three orders of one new customer", lambda: totals(settings)["shop"]["sums"]["orders"] == 3)
        wait_for(
            "who is new is decided at home", lambda: totals(settings)["shop"]["sums"]["new_customers"] == 1
        )
        wait_for("the refund", lambda: totals(settings)["split"]["sums"]["refunds_micros"] == 10_000_000)
        wait_for("three spellings are one", lambda: totals(settings)["spring sale"]["sums"]["clicks"] == 3)
        found = totals(settings)
        assert (found["shop"]["kpis"]["cac"], found["shop"]["kpis"]["roas"]) == (10, 15)
        assert found["split"]["sums"]["revenue_micros"] == 30_000_000
        assert not {"Spring%20Sale", "SPRING SALE"} & found.keys()
        wait_for("all reports", lambda: totals(settings)["reported"]["sums"]["spend_micros"] == 120_000_000)

        def figure(name, **labels):
            return worker.samples()[name].get(tuple(sorted(labels.items())))

        own = {"campaign_id": "reported", "channel": ""}
        wait_for("the order is split", lambda: figure("roistream_split_identities", kind="order") == 1)
        wait_for("two ids are alike", lambda: figure("roistream_alike_campaigns") == 2)
        wait_for("the day is covered", lambda: figure("campaign_covered_reports", **own) == 1)
        assert round(figure("campaign_report_disagreement_ratio", **own), 4) == round(12 / 132, 4)
        wait_for(
            "the spend is known up to the end of the day",
            lambda: figure("campaign_spend_complete_timestamp_seconds", **own) == (day + DAY) / 1_000,
        )
        said = [
            f"{each.subject}: {each.text}"
            for each in examine(settings.model_copy(update={"http_port": worker.port}), now_ms)
        ]
    assert [
        each for each in said if each.startswith("reports: 1 are covered") and "'reported' differ" in each
    ]
    assert [each for each in said if each.startswith("reports: 1 of the newest 25 reports count nowhere")]
    assert [
        each
        for each in said
        if each.startswith("ids: orders: 1 of the newest 4 orders have records on several")
    ]


def test_a_repetition_on_another_partition_is_counted_and_named(broker, settings_for, tmp_path) -> None:
    settings = settings_for(broker, partitions=2)
    ensure_topics(settings, create=True)
    write(
        settings,
        [click(1, "c", VISITORS[0][0]), click(1, "c", VISITORS[1][0]), click(2, "c", VISITORS[1][0])],
    )
    with running_worker(settings, tmp_path) as worker:
        split = (("kind", "event"),)
        wait_for("it is counted", lambda: worker.samples()["roistream_split_identities"][split] == 1)
    (said,) = [each.text for each in examine(settings, now_ms) if each.subject == "ids"]
    assert said.startswith("ad-clicks: 1 of the newest 2 event ids are on several partitions ('c1')")
