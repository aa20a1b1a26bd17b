"""The table of systems in docs/ingest.md: by which connector, which mapping and which file each comes in, what is carried out there, and what is
not there; and docs/systems.md, which says of each what one does.
"""

import inspect
import json
import re
from pathlib import Path

import pytest

from streams.apply.run import CLIENTS
from streams.collect.senders import SENDERS
from streams.ingest.protocols import Protocol
from streams.mapping.loader import builtin, builtin_names

PAGE = Path(__file__).parents[3] / "docs" / "ingest.md"
BEGIN, END = (
    "<!-- systems: held by tests/streams/ingest/test_systems_table.py -->",
    "<!-- end of systems -->",
)
FACTS = json.loads(Path(__file__).with_name("connector_columns.json").read_text(encoding="utf-8"))
#: Ad platforms by what apply calls them.
PLATFORMS = {
    "Meta": "meta",
    "Google Ads": "google",
    "LinkedIn Ads": "linkedin",
    "X Ads": "x",
    "Microsoft Ads": "microsoft",
    "TikTok": "tiktok",
}
#: By system the beginning of its mappings' names, and what does not exist.
SYSTEMS = {
    "Meta": ("meta_", "facebook_", ""),
    "Google Ads": (
        "google_ads",
        "no Singer tap of today: tap-googleads 0.1.7 asks version 14 of the API, of 2023",
    ),
    "LinkedIn Ads": (
        "linkedin_",
        "airbyte-source-linkedin-ads 5.4.1 asks version 202502, and LinkedIn keeps a version for a year",
    ),
    "X Ads": (
        "x_ads",
        "twitter_",
        "no connector of today: tap-twitter-ads 1.0.0 asks version 11 of the API, of 2022; airbyte-source-twitter 0.1.15 reads posts",
    ),
    "Microsoft Ads": (
        "microsoft_ads",
        "tap-bing-ads 2.3.3 reports by the columns that its catalog selects, so nothing says which rows are one",
    ),
    "TikTok": ("tiktok_", ""),
    "HubSpot": ("hubspot_", ""),
    "Salesforce": ("salesforce_", ""),
    "Microsoft Dynamics": ("dynamics_", ""),
    "SugarCRM": ("sugar_", "no connector in PyPI or npm"),
    "Vtiger": ("vtiger_", "no connector in PyPI or npm"),
    "Zoho CRM": ("zoho_", "no Singer tap in PyPI for the CRM"),
    "Marketo": ("marketo_", ""),
    "Copernica": ("copernica_", "no connector in PyPI or npm; no mapping for its files"),
    "Shopify": ("shopify_", ""),
    "Stripe": (
        "stripe_",
        "tap-stripe 3.3.0 says of a charge what was given back, and has no stream that says when",
    ),
    "WooCommerce": (
        "woocommerce_",
        "no Singer tap of today: tap-woocommerce 0.1.2 is of 2019 and knows no currency, tap-woocommerce-v3 0.3.4 of 2021",
    ),
    "Exchange rates": (
        "fx_rates",
        "exchange_rates",
        "no Singer tap of today: tap-exchangeratehost 0.1.2 and tap-openexchangerates 0.0.1 are of 2023 and ship no schema",
    ),
}


def of_system(name):
    *beginnings, absent = SYSTEMS[name]
    mappings = [each for each in builtin_names() if each.startswith(tuple(beginnings))]
    own = {each for each in mappings if each.endswith("_webhook")}
    return (
        sorted(own | {sender.mapping for sender in SENDERS.values() if sender.mapping in mappings}),
        [each for each in mappings if each.endswith("_connector")],
        [each for each in mappings if not each.endswith(("_connector", "_webhook"))],
        absent,
    )


def packages(mapping):
    """The packages that a mapping is held against, with the streams that it reads."""
    return [
        f"{package.replace('==', ' ')} ({', '.join(f'`{stream}`' for stream in mappings[mapping])})"
        for package, mappings in FACTS.items()
        if mapping in mappings
    ]


def carried_out(name):
    """What apply asks of a platform."""
    if name not in PLATFORMS:
        return ""
    return "pause, resume, budget" if PLATFORMS[name] in CLIENTS else "no"


def table():
    lines = [
        "| system | live | polled: mapping and connectors | by file: mappings | carried out there | what does not exist |",
        "|---|---|---|---|---|---|",
    ]
    for name in SYSTEMS:
        live, polled, filed, absent = of_system(name)
        shown = "; ".join(f"`{each}`: {', '.join(packages(each))}" for each in polled)
        files = ", ".join(f"`{each}`" for each in filed)
        webhooks = ", ".join(f"`{each}`" for each in live)
        lines.append(
            f"| [{name}](systems.md#{name.lower().replace(' ', '-')}) | {webhooks or 'no'} | {shown or 'no'} | {files or 'no'} | {carried_out(name)} | {absent} |"
        )
    return "\n".join(lines)


def test_the_documentation_says_of_every_system_how_it_comes_in():
    text = PAGE.read_text(encoding="utf-8")
    assert text.partition(BEGIN)[2].partition(END)[0].strip() == table()


@pytest.mark.parametrize("name", [each for each in builtin_names() if each.endswith("_connector")])
def test_a_mapping_for_a_connector_is_of_a_system_and_held_against_every_stream_that_it_reads(name):
    assert sum(name in of_system(system)[1] for system in SYSTEMS) == 1
    read = {stream for select in builtin(name).select for stream in select.files}
    assert read == {stream for mappings in FACTS.values() for stream in mappings.get(name, {})}


SECTIONS = dict(
    re.findall(
        r"^## (.+?)\n(.*?)(?=^## |\Z)",
        (PAGE.parent / "systems.md").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
)


def test_every_system_has_its_page_in_the_order_of_the_table():
    assert list(SECTIONS) == list(SYSTEMS)


def test_the_table_of_what_goes_out_says_no_of_each_platform_without_a_client():
    page = (PAGE.parent / "systems.md").read_text(encoding="utf-8")
    rows = {
        cells[0]: cells[1:]
        for line in page.splitlines()
        if len(cells := [each.strip() for each in line.split("|")[1:-1]]) == 5
    }
    assert rows.keys() >= PLATFORMS.keys()
    for name, platform in PLATFORMS.items():
        assert (rows[name][0] == "yes") == (platform in CLIENTS)
        assert platform in CLIENTS or (rows[name][1:3] == ["no", "no"] and "`not_set_up`" in rows[name][3])


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_page_of_a_system_names_each_of_its_ways_and_nothing_that_is_not_there(name):
    text = SECTIONS[name]
    live, polled, filed, _ = of_system(name)
    assert ("**Live**" in text, "**Polled**" in text, "**By file**" in text) == (
        bool(live),
        bool(polled),
        bool(filed),
    )
    assert all(f"`{mapping}`" in text or f'"{mapping}"' in text for mapping in live)
    assert ("**Out**" in text) == (name in PLATFORMS)
    if name in PLATFORMS:
        says_nothing = "**Out**: nothing" in text
        assert says_nothing == (PLATFORMS[name] not in CLIENTS)
    assert "**Does not come**" in text
    senders = set(re.findall(r'sender = "(\w+)"', text))
    assert senders == {each for each in SENDERS if SENDERS[each].mapping in (*live, *polled)}
    for mapping in re.findall(r"roistream replay --mapping (\w+)", text):
        assert mapping in filed


@pytest.mark.parametrize("name", [name for name in SYSTEMS if of_system(name)[1]])
def test_the_command_of_a_system_runs_a_connector_that_its_mapping_is_held_against(name):
    (command,) = re.findall(r"`(roistream ingest [^`]+)`([^\n]*)", SECTIONS[name])
    protocol, mapping = re.match(r"roistream ingest (\w+) --mapping (\w+) ", command[0]).groups()
    assert protocol in inspect.getattr_static(Protocol, "__args__")
    assert mapping in of_system(name)[1]
    program = command[0].partition(" -- ")[2].split()[0]
    package = program if protocol == "singer" else f"airbyte-{program}"
    (streams,) = (
        mappings[mapping] for pinned, mappings in FACTS.items() if pinned.partition("==")[0] == package
    )
    said = re.findall(r"streams? `([^`]+)`(?: and `([^`]+)`)?", command[1])
    assert {each for pair in said for each in pair if each} in (set(streams), set())
