#!/usr/bin/env bash
# segment-analytics-python 2.4.0, rudder-sdk-python 2.1.9, posthog 7.91.1: what zone a time without one is in depends on how old
# it is.
#
# Guess: a naive datetime is always local, or always UTC.
# Seen: in all three a naive time of less than five seconds ago is local; an older one is taken for UTC as it stands. In Segment's and
#   RudderStack's libraries a future one, of any distance, is local too; in PostHog's it is UTC.
# Why it matters: live events of a shop in New York are right, and the same events sent again ten seconds later, or from a queue or a
#   backfill, are five hours off: they miss their hour's window and the clicks before them. Nobody sees it in a test. Send times with
#   their zone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check segment-analytics-python==2.4.0 \
  rudder-sdk-python==2.1.9 posthog==7.91.1 || exit 2
TZ=America/New_York "$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
import importlib
from datetime import UTC, datetime, timedelta

for name in ("segment.analytics", "rudderstack.analytics", "posthog"):
    guess = importlib.import_module(f"{name}.utils").guess_timezone
    for age in (4, 6, -3600):
        naive = datetime.now() - timedelta(seconds=age)
        as_utc = guess(naive).astimezone(UTC).replace(tzinfo=None)
        zone = "UTC" if as_utc == naive else "local" if as_utc == naive.astimezone(UTC).replace(tzinfo=None) else "?"
        print(name, f"{age} s ago", zone)
PY
cat >"$folder/expected" <<'TXT'
segment.analytics 4 s ago local
segment.analytics 6 s ago UTC
segment.analytics -3600 s ago local
rudderstack.analytics 4 s ago local
rudderstack.analytics 6 s ago UTC
rudderstack.analytics -3600 s ago local
posthog 4 s ago local
posthog 6 s ago UTC
posthog -3600 s ago UTC
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
