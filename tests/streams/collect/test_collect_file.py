"""The file of the collector: what is wrong in it is said in one sentence, without a word of a secret."""

import pytest

from metrics.values.errors import SettingError
from streams.collect.campaign_rules import DEFAULT_RULES
from streams.collect.collect_file import read_collect_file

MAPPING = """
description = "leads"
[columns]
at = "time"
[[select]]
topic = "leads"
key = ["lead_id"]
id = ["lead_id"]
sql = "SELECT id AS lead_id, at AS occurred_at FROM rows"
"""
GOOD = """
public_url = "https://collect.shop.example/"
proxies = ["10.0.0.0/8"]

[site]
origins = ["https://shop.example"]
hosts = ["shop.example"]

[[campaigns]]
when = { form_id = "77" }
campaign_id = "spring"

[links.spring]
url = "https://shop.example/a?utm_id=7"

[webhooks.crm]
secret_file = "crm.secret"
proof = { kind = "hmac", header = "X-Signature" }
mapping = "crm.toml"
frame = { timezone = "Europe/Paris" }

[webhooks.shop]
sender = "shopify"
secret_env = "SHOPIFY_SECRET"
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "crm.secret").write_text("the-first-secret\n\n the-second-secret \n")
    (tmp_path / "crm.toml").write_text(MAPPING)
    (tmp_path / "empty.secret").write_text("\n")
    return tmp_path


def read(folder, text):
    (folder / "collect.toml").write_text(text)
    return read_collect_file(folder / "collect.toml", {"SHOPIFY_SECRET": "of-the-shop"})


def test_a_file_that_holds_everything(folder):
    found = read(folder, GOOD)
    assert found.public_url == "https://collect.shop.example"
    assert found.rules[0].campaign_id == "spring"
    assert found.webhooks["crm"].secrets == ("the-first-secret", "the-second-secret")
    assert found.webhooks["crm"].mappings[0].name == "crm"
    assert [mapping.name for mapping in found.webhooks["shop"].mappings] == ["shopify_connector"]
    assert "secret" not in repr(found).replace("secrets", "")
    assert "of-the-shop" not in repr(found)


def test_an_empty_file_takes_events_by_the_rules_that_hold_without_one(folder):
    found = read(folder, "")
    assert found.rules == DEFAULT_RULES
    assert found.site.accepts == ("click", "impression", "lead")


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("[site]", "[sight]", "unknown field `sight`"),
        ("secret_file", "secret", "unknown field `secret`"),
        ("10.0.0.0/8", "10.0.0.1/8", "host bits"),
        ('"https://shop.example"', '"https://shop.example/"', "without a path"),
        ('hosts = ["shop.example"]', "", "whose host is not among hosts"),
        ("https://collect", "collect", "is not like https://collect.shop.example"),
        ('campaign_id = "spring"', 'campaign_id = "{}"', "name of a parameter"),
        ('"crm.secret"', '"absent.secret"', "cannot be read"),
        ('"crm.secret"', '"empty.secret"', "needs secret_file or secret_env"),
        ("SHOPIFY_SECRET", "ABSENT", "which is not set"),
        ('sender = "shopify"', 'sender = "shoppify"', "is none of generic"),
        ('sender = "shopify"', 'sender = "hubspot"\npublic = 1', "unknown field"),
        ('sender = "shopify"', 'sender = "meta"', "verify_token_file"),
        ('sender = "shopify"', 'sender = "standard"', "name a mapping"),
        ('sender = "shopify"', 'sender = "standard"\nmapping = "crm.toml"', "the secret is not in base64"),
        ('sender = "shopify"', 'mapping = "crm.toml"', "needs proof"),
        ('sender = "shopify"', 'sender = "shopify"\nsecret_file = "crm.secret"', "keep one"),
        ('"crm.toml"', '"absent.toml"', "cannot be read"),
        ("[webhooks.shop]", '[webhooks."a/b"]', "matching regex"),
        ("[site]", "[site", "cannot be used"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(folder, old, new, text):
    assert old in GOOD
    with pytest.raises(SettingError, match=text) as caught:
        read(folder, GOOD.replace(old, new, 1))
    said = str(caught.value)
    assert said.startswith("ROISTREAM_COLLECT_FILE: ")
    assert not any(secret in said for secret in ("the-first-secret", "the-second-secret", "of-the-shop"))


def test_hubspot_needs_the_public_address(folder):
    text = GOOD.replace('public_url = "https://collect.shop.example/"\n', "").replace(
        '"shopify"', '"hubspot"'
    )
    with pytest.raises(SettingError, match="public_url"):
        read(folder, text)


def test_a_file_that_is_absent(tmp_path):
    with pytest.raises(SettingError, match="ROISTREAM_COLLECT_FILE"):
        read_collect_file(tmp_path / "absent.toml", {})
