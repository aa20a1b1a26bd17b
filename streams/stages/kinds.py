"""All kinds of changelog records: the first part of a key, and what its records hold. A test holds the list against what is written."""

#: By changelog, in the order in which tables are restored; the header of each changelog has the kind ``@``.
KINDS: dict[str, dict[str, str]] = {
    "intake": {
        "jm": "the models and half-lives that conversions were credited with",
        "p": "sums of a campaign, or of a campaign in a model, in a pane",
        "v": "costs of a campaign in another currency, by when: what their worth is made of",
        "l": "a lead: its stages, and when each was first seen",
        "o": "an order: placement, refunds, cancellation",
        "c": "a customer's first order, and where the customer was counted",
        "ka": "a customer's account: first order, what each month brought, and what else the customer did",
        "kc": "sums of the customers whom a campaign acquired in a month",
        "kt": "a ticket: when it was opened, first answered and resolved",
        "ks": "a subscription: its start, renewals and cancellation",
        "kr": "who brought a person",
        "e": "hashes of event ids that were seen, a block for each checkpoint",
        "jc": "a conversion with its path of touches and its rules",
        "jp": "ids that are one person's",
        "jn": "a campaign and channel, by the code that touches have",
        "jt": "touches, a block for each checkpoint",
        "jl": "how long after the first touch conversions came",
        "jf": "the fit of the data-driven model",
        "h": "the partition that credits a conversion",
        "x": "messages to other partitions that are not confirmed yet",
        "r": "reports that merge partitions have not confirmed yet",
        "rs": "the spend of such reports as it came, where its worth may change",
        "d": "dead letters that are not confirmed yet",
    },
    "merge": {
        "p": "sums of a campaign, or of a campaign in a model, in a pane, by source partition",
        "a": "until when panes of a campaign were dropped",
        "r": "a report, with what its earlier versions had seen",
        "rs": "the spend of a report's versions as it came, where its worth may change",
        "f": "what of a campaign's records its figures were composed with",
        "u": "a window of a roll-up: what each merge partition adds",
        "g": "the roll-ups that a campaign counts in, and counted in before",
        "k": "sums of the customers whom a campaign acquired in a month, by source partition",
    },
    "controller": {
        "c": "a campaign on the board",
        "h": "the hours of a campaign on the board",
    },
}
