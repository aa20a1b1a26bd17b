"""What the demo says at its end. Pure."""

from streams.demo.state import Row, State
from streams.demo.world import World


def summary(state: State, world: World, first_figures_s: float | None) -> list[str]:
    """Figures per campaign beside the truth they were drawn from, and whether the books agree."""
    names = {profile.campaign_id: profile for profile in world.profiles}
    lines = ["", f"{state.campaigns_with_figures} of {len(names)} campaigns show CPL and ROI:"]
    for row in state.rows.values():
        profile = names.get(row.facts.campaign_id)
        truth = (
            ""
            if profile is None or not profile.expected_cpl
            else _truth(profile.expected_cpl, profile.currency)
        )
        lines.append(f"  {row.facts.name:<32.32} {_figures(row, state.currency)}{truth}")
    when = "never" if first_figures_s is None else f"after {first_figures_s:.1f} s"
    return [*lines, "", f"First figures: {when}.", *books(state)]


def books(state: State) -> list[str]:
    """What was sent against what the worker's ledger says, topic by topic the same question."""
    ledger = state.ledger
    rows = (
        ("records sent / read", state.sent, ledger.read),
        ("sent twice / duplicates", state.sent_twice, ledger.duplicate),
        ("sent broken / rejected", state.sent_broken, ledger.rejected),
    )
    return [f"  {name:<26} {sent:>10,} / {read:<10,} {_verdict(sent, read)}" for name, sent, read in rows]


def _verdict(sent: int, read: int) -> str:
    return "agree" if sent == read else f"differ by {read - sent:+,}"


def _truth(cpl: float, currency: str) -> str:
    return f"   (drawn from a CPL of {cpl:.2f} {currency})"


def _figures(row: Row, currency: str) -> str:
    cpl, roi = row.kpi("cpl"), row.kpi("roi_net_profit")
    shown_cpl = "no CPL yet" if cpl is None else f"CPL {cpl:8.2f} {currency}"
    shown_roi = f"no ROI ({_why(row)})" if roi is None else f"ROI {roi:+8.1%}"
    return f"{shown_cpl:<16}  {shown_roi:<14}"


def _why(row: Row) -> str:
    return "nothing spent" if row.sums("spend_micros") == 0 else "no reading yet"
