"""The demo's campaigns: what they cost, how their visitors convert, what they were meant to reach.

Some are good, some on target, some bad; one loses track of its leads, some are paid by reports of the ad platform. The
last one costs nothing: it has no budget to control, so the first dozen does without it. Rates and prices are the truth that the figures should come near to.
"""

import random
from dataclasses import dataclass, field, replace
from typing import Any, Literal

#: How a campaign is paid for: per click, per impression, by the platform's hourly reports, or not at all.
Charge = Literal["click", "impression", "report", "free"]


@dataclass(frozen=True)
class CampaignProfile:
    """One campaign's nature; money in the campaign's currency."""

    campaign_id: str
    name: str
    channel: str
    click_price: float
    lead_rate: float
    target_cpl: float
    order_value: float
    target: str = "households"
    offer: str = "spring-sale"
    objective: str = "sales"
    currency: str = "EUR"
    share: float = 1.0
    impressions_per_click: float = 0.0
    charge: Charge = "click"
    mql_rate: float = 0.7
    sql_rate: float = 0.7
    order_rate: float = 0.6
    margin: float = 0.5
    refund_rate: float = 0.06
    cancellation_rate: float = 0.03
    lost_tracking: float = 0.03
    other_cost_share: float = 0.0
    has_baseline: bool = False
    more_targets: dict[str, float] = field(default_factory=dict)

    @property
    def expected_cpl(self) -> float:
        """What a lead that names the campaign costs in the long run; the figures come near to it."""
        return self.click_price / (self.lead_rate * (1 - self.lost_tracking))


_SALES = {"roas": 3.0, "roi": 0.5}
_B2B: dict[str, Any] = {"target": "small businesses", "objective": "leads"}

PROFILES: tuple[CampaignProfile, ...] = (
    CampaignProfile(
        "spring-sale-search", "Spring sale – search", "search", 0.55, 0.14, 5.0, 74.0,
        share=1.6, impressions_per_click=4, other_cost_share=0.10, has_baseline=True, more_targets=_SALES,
    ),
    CampaignProfile(
        "spring-sale-social", "Spring sale – social", "social", 0.38, 0.075, 5.0, 62.0,
        target="families", share=1.4, impressions_per_click=8, more_targets={"cac": 18.0},
    ),
    CampaignProfile(
        "spring-sale-display", "Spring sale – display", "display", 0.30, 0.035, 5.0, 55.0,
        share=1.2, impressions_per_click=15, charge="impression", more_targets=_SALES,
    ),
    CampaignProfile(
        "brand-search", "Our brand – search", "search", 0.22, 0.22, 2.0, 68.0,
        target="returning visitors", offer="catalogue", share=1.2, impressions_per_click=3, has_baseline=True,
    ),
    CampaignProfile(
        "newsletter-spring", "Spring newsletter – email", "email", 0.04, 0.12, 1.0, 58.0,
        target="subscribers", share=0.9, impressions_per_click=5, other_cost_share=0.50,
    ),
    CampaignProfile(
        "partner-blogs", "Partner blogs – affiliate", "affiliate", 0.48, 0.09, 5.5, 60.0,
        offer="catalogue", share=0.8, more_targets={"cac": 20.0},
    ),
    CampaignProfile(
        "crm-trial-search", "CRM trial – search", "search", 1.90, 0.13, 17.0, 260.0,
        offer="crm-trial", currency="USD", share=0.8, charge="report", impressions_per_click=5, **_B2B,
    ),
    CampaignProfile(
        "crm-webinar-social", "CRM webinar – social", "social", 1.10, 0.065, 11.0, 150.0,
        offer="crm-webinar", share=0.8, charge="report", impressions_per_click=9, margin=0.4, **_B2B,
    ),
    CampaignProfile(
        "uk-launch-search", "UK launch – search", "search", 0.80, 0.12, 7.0, 66.0,
        offer="uk-launch", currency="GBP", share=0.9, impressions_per_click=4, other_cost_share=0.15,
    ),
    CampaignProfile(
        "competitor-search", "Competitor names – search", "search", 1.40, 0.05, 10.0, 60.0,
        offer="catalogue", share=0.6, impressions_per_click=6, margin=0.45,
    ),
    CampaignProfile(
        "lookalike-social", "Lookalike audience – social", "social", 0.35, 0.07, 4.5, 52.0,
        share=0.8, impressions_per_click=8, lost_tracking=0.40,
    ),
    CampaignProfile(
        "outlet-us-social", "US outlet – social", "social", 0.60, 0.08, 8.0, 80.0,
        offer="outlet", currency="USD", share=0.8, impressions_per_click=7,
    ),
    CampaignProfile(
        "loyalty-email", "Loyalty club – email", "email", 0.03, 0.15, 0.8, 49.0,
        target="customers", offer="loyalty", share=0.7, impressions_per_click=4, other_cost_share=0.40,
    ),
    CampaignProfile(
        "comparison-affiliate", "Price comparison – affiliate", "affiliate", 0.65, 0.08, 7.5, 71.0,
        offer="catalogue", share=0.7, refund_rate=0.15,
    ),
    CampaignProfile(
        "retargeting-display", "Basket reminder – display", "display", 0.42, 0.12, 4.0, 70.0,
        target="abandoned baskets", share=0.8, impressions_per_click=10, charge="impression", more_targets=_SALES,
    ),
    CampaignProfile(
        "organic-search", "Organic search", "organic", 0.0, 0.10, 0.0, 64.0,
        offer="catalogue", charge="free", has_baseline=True,
    ),
)  # fmt: skip


def choose(seed: int, count: int) -> list[CampaignProfile]:
    """The first ``count`` campaigns; past the written ones, seeded variants of them with their own luck.

    >>> [profile.campaign_id for profile in choose(1, 18)][-2:]
    ['spring-sale-search-2', 'spring-sale-social-2']
    """
    if count < 1:
        raise ValueError("a demo needs at least one campaign; give --campaigns 1 or more")
    return [_variant(seed, index) for index in range(count)]


def _variant(seed: int, index: int) -> CampaignProfile:
    profile = PROFILES[index % len(PROFILES)]
    number = index // len(PROFILES) + 1
    if number == 1:
        return profile
    rng = random.Random(f"{seed}:variant:{index}")
    return replace(
        profile,
        campaign_id=f"{profile.campaign_id}-{number}",
        name=f"{profile.name} {number}",
        click_price=round(profile.click_price * rng.uniform(0.7, 1.5), 3),
        lead_rate=profile.lead_rate * rng.uniform(0.6, 1.3),
        order_value=round(profile.order_value * rng.uniform(0.8, 1.2), 2),
    )
