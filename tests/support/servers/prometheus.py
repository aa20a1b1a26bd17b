"""What a test asks a real Prometheus, and Grafana's variables put in as Grafana does."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

#: What a person sees who opens a board and chooses nothing.
CHOSEN = {
    "dimension": "channel",
    "deployment": "roistream",
    "channel": ".*",
    "campaign": ".*",
    "window": "24h",
    "model": "declared",
    "currency": "EUR",
    "__rate_interval": "20s",
}


def filled(expr: str, chosen: Mapping[str, str] = CHOSEN) -> str:
    """The expression with the values of its variables; one that is not known is an error."""
    return re.sub(r"\$(\w+)", lambda found: chosen[found[1]], expr)


class Prometheus:
    """Its HTTP API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer; what Prometheus refuses is an AssertionError with its words."""
        request = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{error.read().decode()} for {parameters}") from error

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The samples of an instant query."""
        return self.get("query", query=expr)["result"]

    def values(self, expr: str, label: str) -> dict[str, float]:
        """Value by one label."""
        return {one["metric"].get(label, ""): float(one["value"][1]) for one in self.query(expr)}

    def rules(self) -> list[dict[str, Any]]:
        """All rules with their health."""
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def choices(self, variable_query: str, regex: str) -> list[str]:
        """What Grafana offers for a variable: `label_values(metric, label)` or `query_result(expr)`."""
        whole = re.fullmatch(r"label_values\((.+), (\w+)\)", variable_query)
        if whole:
            series = self.get("series", **{"match[]": whole[1]})
            return sorted({one.get(whole[2], "") for one in series})
        asked = re.fullmatch(r"query_result\((.+)\)", variable_query)
        assert asked, variable_query
        shown = [_as_text(one["metric"]) for one in self.query(asked[1])]
        return sorted(found[1] for text in shown if (found := re.search(regex.strip("/"), text)))


def _as_text(labels: Mapping[str, str]) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels.items()) + "}"
