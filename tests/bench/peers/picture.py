"""The costs of contenders as bars on a logarithmic scale, in an SVG."""

from html import escape
from math import ceil, floor, log10

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP = 900, 200, 90, 34, 46
_OURS, _OTHERS, _INK, _RULE = "#1f883d", "#8c959f", "#1f2328", "#d0d7de"
_SAID = (
    'font-family="system-ui, -apple-system, Segoe UI, Roboto, sans-serif" '
    'aria-label="Processor time an event of roistream and its peers"'
)


def picture(costs: dict[str, float], ours: str) -> str:
    """An SVG with a bar for each contender, the cheapest first.

    Args:
        costs: microseconds of processor time an event, by contender; all above 0.
        ours: whose bar is coloured.
    """
    first, last = floor(log10(min(costs.values()))), ceil(log10(max(costs.values())))
    scale = (_WIDTH - _LEFT - _RIGHT) / max(1, last - first)
    height = _TOP + _ROW * len(costs) + 10

    def at(cost: float) -> float:
        return _LEFT + (log10(cost) - first) * scale

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-size="14" role="img" {_SAID}>',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="16" fill="{_INK}">µs of processor time an event, logarithmic</text>',
    ]
    for power in range(first, last + 1):
        x = at(10.0**power)
        parts.append(f'<path d="M{x:.1f} 40V{height - 8}" stroke="{_RULE}"/>')
        parts.append(
            f'<text x="{x:.1f}" y="34" text-anchor="middle" font-size="12" fill="{_INK}">{10.0**power:g}</text>'
        )
    for number, (name, cost) in enumerate(sorted(costs.items(), key=lambda item: item[1])):
        y = _TOP + number * _ROW
        colour = _OURS if name == ours else _OTHERS
        parts.append(
            f'<text x="{_LEFT - 10}" y="{y + 18}" text-anchor="end" fill="{_INK}">{escape(name)}</text>'
            f'<rect x="{_LEFT}" y="{y + 3}" width="{max(1.0, at(cost) - _LEFT):.1f}" height="22" rx="3" fill="{colour}"/>'
            f'<text x="{at(cost) + 8:.1f}" y="{y + 19}" fill="{_INK}">{cost:.3g}</text>'
        )
    return "".join([*parts, "</svg>\n"])
