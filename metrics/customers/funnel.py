"""The funnel in front of the customers of a campaign: clicks, leads, and what it cost until somebody ordered.

Nothing tells which click and which lead became which customer, so all of it is of a campaign and of no cohort of a month.
The steps and their order are those of AARRR (McClure, Startup Metrics for Pirates, 2007): acquisition, activation, retention,
referral, revenue.
"""

from math import ceil
from typing import NamedTuple

from metrics.customers.customer_figure import CustomerFigure
from metrics.kpis.compose import DECLARED
from metrics.records.kpi_reading import CampaignKpi
from metrics.values.money import MICROS, ratio


class Acquisition(NamedTuple):
    """What a campaign did so far to acquire customers; None where it is unknown, and for the cohort of a month.

    Attributes:
        spend: micros.
        clicks: by the campaign's cost basis.
        leads: that are declared, or in a model credited, with up to 6 decimals.
        customers: new ones that are declared, or in a model credited, rounded up; accounts may hold fewer.
        is_uncertain: whether amounts of the campaign count whose worth is not known for sure.
    """

    spend: int | None = None
    clicks: int | None = None
    leads: int | float | None = None
    customers: int | None = None
    is_uncertain: bool = False


def acquisition_of(reading: CampaignKpi) -> Acquisition:
    """What a reading of ``total`` says, as declared or in a model."""
    sums = reading.sums
    return Acquisition(
        spend=sums.spend_micros,
        clicks=sums.clicks,
        leads=int(sums.leads) if reading.model == DECLARED else sums.leads,
        # The next whole number: of somebody who is credited in part it is not known whether the campaign won them.
        customers=ceil(sums.new_customers),
        is_uncertain=reading.has_uncertain_amounts,
    )


class FunnelReading(NamedTuple):
    """The funnel of a campaign.

    Attributes:
        acquisition: what stands in front.
        customers: who have ordered.
        net_revenue: what they brought so far less refunds, micros.
    """

    acquisition: Acquisition
    customers: int
    net_revenue: int

    @property
    def lead_rate(self) -> float | None:
        """Leads / clicks.

        >>> FunnelReading(Acquisition(None, 400, 100), 25, 0).lead_rate
        0.25
        """
        return _divided(self.acquisition.leads, self.acquisition.clicks)

    @property
    def customer_rate(self) -> float | None:
        """Customers / leads.

        >>> FunnelReading(Acquisition(None, 400, 100), 25, 0).customer_rate
        0.25
        """
        return _divided(self.customers, self.acquisition.leads)

    @property
    def acquisition_rate(self) -> float | None:
        """Customers / clicks.

        >>> FunnelReading(Acquisition(None, 400, 100), 25, 0).acquisition_rate
        0.0625
        """
        return _divided(self.customers, self.acquisition.clicks)

    @property
    def revenue_per_click(self) -> float | None:
        """(Revenue − refunds) / clicks, in currency units.

        >>> FunnelReading(Acquisition(None, 400, 100), 25, 1_000_000_000).revenue_per_click
        2.5
        """
        clicks = self.acquisition.clicks
        return _divided(self.net_revenue, None if clicks is None else clicks * MICROS)


def _divided(of: float | None, by: float | None) -> float | None:
    """Of whole numbers, or of numbers with up to 6 decimals."""
    return None if of is None or by is None else ratio(round(of * MICROS), round(by * MICROS))


_NO_CLICK = "clicks = 0 or unknown, and of the cohort of a month"
#: KPIs of the funnel of a campaign, by id.
FUNNEL_FIGURES: dict[str, CustomerFigure] = {
    "lead_rate": CustomerFigure(
        "Lead conversion rate", "leads / clicks", "ratio", _NO_CLICK, lambda funnel: funnel.lead_rate
    ),
    "customer_rate": CustomerFigure(
        "Leads that became customers",
        "customers / leads",
        "ratio",
        "leads = 0, and of the cohort of a month",
        lambda funnel: funnel.customer_rate,
    ),
    "acquisition_rate": CustomerFigure(
        "Clicks that became customers",
        "customers / clicks",
        "ratio",
        _NO_CLICK,
        lambda funnel: funnel.acquisition_rate,
    ),
    "revenue_per_click": CustomerFigure(
        "Revenue per click",
        "(revenue − refunds) / clicks",
        "currency",
        _NO_CLICK,
        lambda funnel: funnel.revenue_per_click,
    ),
}
