"""The real worker as on another machine, whose identities no lock of this one reaches: ``python -m tests.support.servers.elsewhere``."""

from typing import Any

from streams.__main__ import main
from streams.transport import instance_identity


def nothing_is_locked(*_: Any) -> bool:
    return True


instance_identity._lock = nothing_is_locked

if __name__ == "__main__":
    main()
