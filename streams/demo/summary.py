"""What the demo says at its end. Pure."""

from metrics.records.events import NO_CAMPAIGN
from streams import catalogues
from streams.demo.table_state import CampaignRow, TableState


def summary(state: TableState, first_figures_s: float | None) -> list[str]:
    """Figures per campaign beside the truth they were drawn from, and whether the ledger agrees with what was sent."""
    campaigns = [row for row in state.rows.values() if row.facts.campaign_id != NO_CAMPAIGN]
    shown = catalogues.t(
        "{shown} of {count} campaigns show CPL and ROI:",
        shown=state.campaigns_with_figures,
        count=len(campaigns),
    )
    lines = ["", shown]
    lines += [f"  {row.facts.name:<32.32} {_figures(row, state)}" for row in state.rows.values()]
    when = catalogues.t("First figures: never.")
    if first_figures_s is not None:
        when = catalogues.t(
            "First figures: after {seconds} s.", seconds=catalogues.number(first_figures_s, 1)
        )
    return [*lines, "", when, *ledger_lines(state)]


def ledger_lines(state: TableState) -> list[str]:
    """What was sent against what the worker's ledger says, and whether they agree.

    Of earlier runs of a kept world the number of records is known, and neither repeats nor broken ones are.
    """
    ledger, before = state.ledger, state.sent_before
    has_all, is_young = state.has_own_ledger, state.has_own_ledger and not before
    lines = [
        _line(catalogues.t("records sent / read"), before + state.sent, ledger.read, is_compared=has_all),
        _line(
            catalogues.t("sent twice / duplicates"), state.sent_twice, ledger.duplicate, is_compared=is_young
        ),
        _line(
            catalogues.t("sent broken / rejected"), state.sent_broken, ledger.rejected, is_compared=is_young
        ),
    ]
    if before:
        text = catalogues.t(
            "({count} records were sent by earlier demos; the ledger counts from the start of its state)",
            count=catalogues.number(before),
        )
        lines.append(f"  {text}")
    elif not has_all:
        text = catalogues.t("(the ledger counts from the start of its state, earlier demos included)")
        lines.append(f"  {text}")
    return lines


def _line(name: str, sent: int, read: int, *, is_compared: bool) -> str:
    verdict = _verdict(sent, read) if is_compared else ""
    return f"  {name:<26} {catalogues.number(sent):>10} / {catalogues.number(read):<10} {verdict}".rstrip()


def _verdict(sent: int, read: int) -> str:
    if sent == read:
        return catalogues.t("agree")
    sign = "+" if read > sent else ""
    return catalogues.t("differ by {count}", count=sign + catalogues.number(read - sent))


def _figures(row: CampaignRow, state: TableState) -> str:
    currency, is_touched = state.currency, row.facts.campaign_id in state.touched
    cpl, roi = row.kpi("cpl"), row.kpi("roi_net_profit")
    shown_cpl = catalogues.t("no CPL yet")
    if cpl is not None:
        shown_cpl = (
            f"CPL {catalogues.t('free'):>8}" if cpl == 0 else f"CPL {catalogues.number(cpl, 2):>8} {currency}"
        )
    shown_roi = _why(row) if roi is None else f"ROI {catalogues.percent(roi, 1, is_signed=True):>8}"
    drawn = _drawn(row.facts.true_cpl, is_touched=is_touched)
    return f"{shown_cpl:<16}  {shown_roi:<12}{drawn}"


def _drawn(true_cpl: float | None, *, is_touched: bool) -> str:
    if not true_cpl:
        return ""
    text = catalogues.t("(drawn from a CPL of {amount})", amount=catalogues.number(true_cpl, 2))
    if is_touched:
        text = catalogues.t(
            "(drawn from a CPL of {amount}, until the story changed it)",
            amount=catalogues.number(true_cpl, 2),
        )
    return f"  {text}"


def _why(row: CampaignRow) -> str:
    if row.readings:
        return catalogues.t("no ROI (nothing spent)")
    return catalogues.t("no ROI (no reading yet)")
