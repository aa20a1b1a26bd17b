"""Records that are nearly right: a tree of values with some of them replaced, and bytes with some of them changed.

Everything is drawn from the generator that is given, so a seed says all.
"""

import copy
import random
from typing import Any

import msgspec

#: What a value is replaced by: edges of types, of integers, of decimals, of instants, of texts, and other types.
_INSTANTS = (
    *(0, -1, 1, 253_402_300_799_999, -62_135_596_800_000, 1_780_000_000, 1_780_000_000_000_000, 10**18),
    *("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-01T23:59:60Z"),
    *("2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00+23:59", "2026-01-01T00:00:00-24:00", "now"),
)
_NUMBERS = (
    *(2**31, 2**53, 2**62, 2**63 - 1, 2**63, 2**64, -(2**63), -(2**63) - 1, 10**12 - 1, 10**12, 10**13),
    *(10**400, 0.1, -0.0, 1e308, 5e-324, 999999999999.999999, 0.1234567),
)
_AMOUNTS = (
    *("NaN", "sNaN", "Infinity", "-Infinity", "1e13", "1e400", "1e-400", "1E+999999999", "0.1234567", "-0"),
    *(
        "1.000000000",
        "1_000",
        " 1",
        "٣",
        "0x10",
        "1" * 5_000,
        "0." + "1" * 5_000,
        "1e12",
        "1e-12",
        "999999999999",
    ),
)
_TEXTS = (
    *("", " ", "\x00", "\uffff", "\ufffe", "é", "e\u0301", "🙂" * 33, "x" * 128, "x" * 129, "x" * 3_000),
    *("(none)", "(other)", "null", "|", "c|", "a" * 60 + "\n", "\u202e", "%63", "USD", "EUR", "usd"),
)
_OTHERS = (None, True, False, [], {}, [[]], [None], {"a": {"b": {}}}, [0] * 50)
_REPLACEMENTS = (_INSTANTS, _NUMBERS, _AMOUNTS, _TEXTS, _OTHERS)
_DEEP = 3_000
#: JSON that no tree of values gives: duplicate names, lone surrogates, wide numbers, comments, other encodings.
_INSERTS = (
    *(b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"\\uffff", b"\xef\xbb\xbf", b"//", b",", b"{", b"]"),
    *(
        b'"event_id":"e",',
        b'"campaign_id":"c","campaign_id":"d",',
        b"1e999999999",
        b"1" * 400,
        b"NaN",
        b"[" * _DEEP,
    ),
    *(b'{"a":' * _DEEP, b"\x00" * 9, b"\n", b"-", b"00"),
)


def mutated(tree: Any, dice: random.Random) -> Any:
    """The tree with one to three of its values replaced, removed, doubled or exchanged."""
    found = copy.deepcopy(tree)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        found = _changed(found, dice)
    return found


def _changed(tree: Any, dice: random.Random) -> Any:
    holder, key = _place(tree, dice)
    if holder is None:
        return _replacement(tree, dice)
    kind = dice.random()
    if kind < 0.7:
        holder[key] = _replacement(holder[key], dice)
    elif kind < 0.85:
        del holder[key]
    elif isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    else:
        other = dice.choice(list(holder))
        holder[key], holder[other] = holder[other], holder[key]
    return tree


def _place(tree: Any, dice: random.Random) -> tuple[Any, Any]:
    """Where a value of the tree lies: what holds it, and its key there."""
    places: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        holder = waiting.pop()
        keys = (
            list(holder)
            if isinstance(holder, dict)
            else range(len(holder))
            if isinstance(holder, list)
            else ()
        )
        places += [(holder, key) for key in keys]
        waiting += [holder[key] for key in keys]
    return dice.choice(places) if places else (None, None)


def _replacement(value: Any, dice: random.Random) -> Any:
    if isinstance(value, bytes) and dice.random() < 0.7:
        return changed_bytes(value, dice)
    if isinstance(value, int) and not isinstance(value, bool) and dice.random() < 0.4:
        return value + dice.choice((-1, 1, 1_000, -1_000, value, -2 * value, 999 * value))
    return copy.deepcopy(dice.choice(dice.choice(_REPLACEMENTS)))  # a tree must not hold itself


def changed_bytes(raw: bytes, dice: random.Random) -> bytes:
    """The bytes cut off, with one flipped, a part removed or doubled, or something inserted."""
    at = dice.randrange(len(raw) + 1)
    kind = dice.randrange(5)
    if kind == 0:
        return raw[:at]
    if kind == 1 and raw:
        at = min(at, len(raw) - 1)
        return raw[:at] + bytes([raw[at] ^ (1 << dice.randrange(8))]) + raw[at + 1 :]
    if kind == 2:
        return raw[:at] + raw[at + dice.randrange(9) :]
    if kind == 3:
        return raw[:at] + raw[at : at + dice.randrange(40)] * 2 + raw[at:]
    return raw[:at] + dice.choice(_INSERTS) + raw[at:]


def json_record(tree: Any, dice: random.Random) -> bytes | None:
    """A JSON record that is nearly right: seldom right, now and then none at all, or a large one."""
    kind = dice.random()
    if kind < 0.01:
        return None
    if kind < 0.02:
        return b""
    if kind < 0.03:
        return msgspec.json.encode({**tree, "unknown": "x" * dice.choice((70_000, 262_144, 700_000))})
    found = tree if kind < 0.2 else mutated(tree, dice)
    raw = _encoded(found)
    return changed_bytes(raw, dice) if dice.random() < 0.2 else raw


def _encoded(tree: Any) -> bytes:
    """JSON of any tree, also where integers are longer than a decoder takes."""
    return msgspec.json.encode(tree)


def packed_record(value: bytes, dice: random.Random) -> bytes | None:
    """A message between the stages that is nearly right."""
    kind = dice.random()
    if kind < 0.02:
        return None
    if kind < 0.4 or value[:1] == b"\xc1":
        return changed_bytes(value, dice)
    tree = mutated(msgspec.msgpack.decode(value), dice)
    try:
        return msgspec.msgpack.encode(tree)
    except OverflowError:
        return b"\xc1" + msgspec.json.encode(tree)
