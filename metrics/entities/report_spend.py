"""What the spend of a report is worth: by the rate of the start of its period, whenever that rate comes."""

from typing import NamedTuple

from metrics.entities.campaigns import CampaignRegistry
from metrics.entities.orders import CAMPAIGNS_OWN


class ReportedSpend(NamedTuple):
    """The spend of a report as it came, where its worth depends on rates or registrations.

    Attributes:
        currency: its code, or ``CAMPAIGNS_OWN``.
        micros: in that currency.
        is_certain: whether there is a rate.
    """

    currency: str
    micros: int
    is_certain: bool = True


class SpendWorth(NamedTuple):
    """Micros of the reporting currency, and the spend as it came; None where nothing can change the worth."""

    micros: int
    spend: ReportedSpend | None


def spend_worth(
    micros: int, currency: str | None, campaign: str, at: int, registry: CampaignRegistry
) -> SpendWorth:
    """What the spend of a record is worth by what is registered now; 0 without a rate.

    Args:
        micros: of the record.
        currency: that the record names, if any.
        campaign: of the report.
        at: the start of its period, in epoch milliseconds.
        registry: currencies of campaigns, and rates.
    """
    if not micros or currency == registry.rates.reporting:
        return SpendWorth(micros, None)
    spend = ReportedSpend(currency or CAMPAIGNS_OWN, micros)
    return SpendWorth(*valued_anew(spend, micros, campaign, at, registry))


def valued_anew(
    spend: ReportedSpend, known: int, campaign: str, at: int, registry: CampaignRegistry
) -> tuple[int, ReportedSpend]:
    """Micros of the reporting currency that spend is worth, 0 without a rate; and the spend, with whether there is one.

    ``known`` is what it was worth before. Where no record of the campaign is known any more, that stays.
    """
    currency = spend.currency
    if currency == CAMPAIGNS_OWN:
        registered = registry.registered_currency(campaign, at)
        if registered is None:
            return known, spend
        currency = registered
    worth = registry.rates.worth(spend.micros, currency, at)
    return worth or 0, spend._replace(is_certain=worth is not None)
