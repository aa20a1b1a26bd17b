"""What a plain pass over orders and records of customers finds, by campaign and cohort; nothing of ``metrics.customers.engagement`` is asked but how long a contract lasts."""

from collections import defaultdict

from metrics.customers.accounts import customer_hash
from metrics.customers.calendar import CustomerCalendar, month_name
from metrics.customers.engagement import Kind
from metrics.customers.subscriptions import Begun, SubscriptionEntry
from streams import topics


class CustomerSumsExpected:
    """Sums by campaign and ``total``, and by campaign and month.

    Args:
        records: topic, key and value; ``occurred_at`` in epoch ms.
        months: whose calendar.
        gone: somebody who was erased.
    """

    def __init__(
        self, records: list[tuple[str, str, dict]], months: CustomerCalendar, gone: str | None = None
    ) -> None:
        self.months = months
        self.sums: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.times: dict[str, list[int]] = defaultdict(list)
        values = defaultdict(list)
        for topic, _, value in records:
            values[topic].append(value)
        self.cohorts: dict[str, list[tuple[str, str]]] = {}
        for order in sorted(values[topics.ORDERS], key=lambda each: (each["occurred_at"], each["order_id"])):
            month = month_name(self.months.of(order["occurred_at"]))
            keys = [(order["campaign_id"], "total"), (order["campaign_id"], month)]
            if order["customer_id"] != gone:
                self.cohorts.setdefault(order["customer_id"], keys)
        for who in self.cohorts:
            self.add(who, "customers", 1)
        self.answers(values[topics.SURVEYS])
        for theirs in self.grouped(values[topics.TICKETS], "ticket_id"):
            self.ticket(theirs)
        for theirs in self.grouped(values[topics.SUBSCRIPTIONS], "subscription_id"):
            self.subscription(theirs)
        self.brought(values[topics.REFERRALS])
        for who in self.cohorts:
            self.add(who, "activated", any(each["customer_id"] == who for each in values[topics.ACTIVATIONS]))

    def answers(self, surveys: list[dict]) -> None:
        for survey in surveys:
            score = survey["score"]
            if survey.get("kind") == "csat":
                self.add(survey["customer_id"], "ratings", 1)
                self.add(survey["customer_id"], "satisfied", score >= 4)
                continue
            group = "promoters" if score >= 9 else "passives" if score >= 7 else "detractors"
            if "customer_id" in survey:
                self.add(survey["customer_id"], group, 1)
            else:
                self.sums[survey["campaign_id"], "total"][group] += 1

    def brought(self, referrals: list[dict]) -> None:
        said: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
        for each in referrals:
            who = each["referrer_id"]
            said[each["visitor_id"]].append((each["occurred_at"], customer_hash(who, None), who))
        referrers = [min(each)[2] for each in said.values()]
        for who in self.cohorts:
            self.add(who, "referrals", referrers.count(who))
            self.add(who, "referrers", who in referrers)

    @staticmethod
    def grouped(values: list[dict], name: str) -> list[list[dict]]:
        found = defaultdict(list)
        for value in values:
            found[value[name]].append(value)
        return list(found.values())

    def add(self, who: str, name: str, number: int) -> None:
        for key in self.cohorts.get(who, ()):
            self.sums[key][name] += number

    def ticket(self, theirs: list[dict]) -> None:
        at = defaultdict(list)
        for each in theirs:
            at[each["stage"]].append(each["occurred_at"])
        if not at["opened"]:
            return
        who, opened = theirs[0]["customer_id"], min(at["opened"])
        self.add(who, "tickets", 1)
        if at["responded"]:
            self.add(who, "tickets_responded", 1)
            for campaign, cohort in self.cohorts.get(who, ()):
                if cohort == "total":
                    self.times[campaign].append(max(0, min(at["responded"]) - opened))
        self.add(who, "tickets_resolved", bool(at["resolved"]))

    def subscription(self, theirs: list[dict]) -> None:
        """By the contract of all its records at once; tests/metrics/customers holds what that counts."""
        entry = SubscriptionEntry()
        for each in theirs:
            begun = Begun(each["occurred_at"], "P1M", round(float(each["amount"]) * 1_000_000))
            if each["kind"] == "started":
                entry = entry.with_start(begun, 0)
            elif each["kind"] == "renewed":
                entry = entry.with_renewal(begun, 0)
            else:
                entry = entry.with_cancellation(begun.at, 0)
        for (_, kind), number in entry.counts(self.months).items():
            name = {Kind.CONTRACTS: "contracts", Kind.BILLED: "billed_micros"}.get(kind)
            if name is not None:
                self.add(theirs[0]["customer_id"], name, number)
