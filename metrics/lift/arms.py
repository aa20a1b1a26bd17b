"""Arms of a holdout test: who is shown the campaign, and who is held out.

The rule by hash needs no list: whoever delivers the campaign computes it from the same text, in any language.
"""

import hashlib
from fractions import Fraction
from typing import Literal

Arm = Literal["treatment", "control"]
TREATMENT: Arm = "treatment"
CONTROL: Arm = "control"
_BITS = 64


def arm_by_hash(salt: str, person: str, holdout: Fraction) -> Arm:
    """The arm of a person: control where the first 8 bytes of SHA-256 of ``salt:person``, as a number below 1, are below ``holdout``.

    Args:
        salt: the text that tells one test from another, so that tests do not hold out the same people.
        person: the id by which the campaign is delivered, in UTF-8.
        holdout: the share that is held out, between 0 and 1.

    >>> [arm_by_hash("autumn", f"visitor-{number}", Fraction(1, 4)) for number in (6, 7, 8)]
    ['treatment', 'control', 'treatment']
    """
    digest = hashlib.sha256(f"{salt}:{person}".encode()).digest()
    number = int.from_bytes(digest[: _BITS // 8], "big")
    return CONTROL if number * holdout.denominator < holdout.numerator << _BITS else TREATMENT
