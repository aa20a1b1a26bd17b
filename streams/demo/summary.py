"""What the demo says at its end. Pure."""

from metrics.records.events import NO_CAMPAIGN
from streams.demo.table_state import CampaignRow, TableState


def summary(state: TableState, first_figures_s: float | None) -> list[str]:
    """Figures per campaign beside the truth they were drawn from, and whether the ledger agrees with what was sent."""
    campaigns = [row for row in state.rows.values() if row.facts.campaign_id != NO_CAMPAIGN]
    lines = ["", f"{state.campaigns_with_figures} of {len(campaigns)} campaigns show CPL and ROI:"]
    lines += [f"  {row.facts.name:<32.32} {_figures(row, state)}" for row in state.rows.values()]
    when = "never" if first_figures_s is None else f"after {first_figures_s:.1f} s"
    return [*lines, "", f"First figures: {when}.", *ledger_lines(state)]


def ledger_lines(state: TableState) -> list[str]:
    """What was sent against what the worker's ledger says, and whether they agree.

    Of earlier runs of a kept world the number of records is known, and neither repeats nor broken ones are.
    """
    ledger, before = state.ledger, state.sent_before
    has_all, is_young = state.has_own_ledger, state.has_own_ledger and not before
    lines = [
        _line("records sent / read", before + state.sent, ledger.read, is_compared=has_all),
        _line("sent twice / duplicates", state.sent_twice, ledger.duplicate, is_compared=is_young),
        _line("sent broken / rejected", state.sent_broken, ledger.rejected, is_compared=is_young),
    ]
    if before:
        lines.append(
            f"  ({before:,} records were sent by earlier demos; the ledger counts from the start of its state)"
        )
    elif not has_all:
        lines.append("  (the ledger counts from the start of its state, earlier demos included)")
    return lines


def _line(name: str, sent: int, read: int, *, is_compared: bool) -> str:
    verdict = _verdict(sent, read) if is_compared else ""
    return f"  {name:<26} {sent:>10,} / {read:<10,} {verdict}".rstrip()


def _verdict(sent: int, read: int) -> str:
    return "agree" if sent == read else f"differ by {read - sent:+,}"


def _figures(row: CampaignRow, state: TableState) -> str:
    currency, is_touched = state.currency, row.facts.campaign_id in state.touched
    cpl, roi = row.kpi("cpl"), row.kpi("roi_net_profit")
    shown_cpl = "no CPL yet" if cpl is None else "CPL     free" if cpl == 0 else f"CPL {cpl:8.2f} {currency}"
    shown_roi = f"no ROI ({_why(row)})" if roi is None else f"ROI {roi:+8.1%}"
    truth = row.facts.true_cpl
    later = ", until the story changed it" if is_touched else ""
    drawn = f"  (drawn from a CPL of {truth:.2f}{later})" if truth else ""
    return f"{shown_cpl:<16}  {shown_roi:<12}{drawn}"


def _why(row: CampaignRow) -> str:
    return "nothing spent" if row.readings else "no reading yet"
