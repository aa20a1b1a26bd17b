"""The name under which a campaign is kept in an attribution model, beside the campaign itself (D64)."""

import re

#: A noncharacter of Unicode, which is kept out of interchange.
_SEPARATOR = "\uffff"
#: Matches a campaign, or a campaign in a model; None for any other text.
is_campaign_model = re.compile(f"[^{_SEPARATOR}]{{1,128}}(?:{_SEPARATOR}[^{_SEPARATOR}]{{1,128}})?").fullmatch


def campaign_model(campaign: str, model: str) -> str:
    """The name of a campaign in a model.

    >>> split_campaign_model(campaign_model("c", "linear")), split_campaign_model("c")
    (('c', 'linear'), ('c', None))
    """
    return f"{campaign}{_SEPARATOR}{model}"


def split_campaign_model(name: str) -> tuple[str, str | None]:
    """Campaign and model of a name; None as the model where the name is that of a campaign itself."""
    campaign, separator, model = name.partition(_SEPARATOR)
    return campaign, model if separator else None
