#!/usr/bin/env bash
# singer-sdk 0.54.9: bookmarks are compared as texts, so a quarter of a second after 10:00:00Z is before it.
#
# Guess: a replication key whose schema is a date-time is compared as a time.
# Seen: the texts of the records are compared. "10:00:00.250Z" comes before "10:00:00Z", since a point sorts before Z: a rightly
#   sorted stream ends with InvalidStreamSortException, an unsorted one keeps the earlier bookmark. Times with different
#   offsets and numbers kept as texts go the same way.
# Why it matters: platforms that write with Java's Instant leave the fraction out where it is zero, one record in a thousand; so the
#   sync fails on some days only. Whoever keeps "the latest row" by a text column has the same fault.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check singer-sdk==0.54.9 || exit 2
"$folder/venv/bin/python" -W ignore - 2>/dev/null <<'PY' | grep '|' >"$folder/seen"
from singer_sdk import Stream, Tap
from singer_sdk import typing as th


def sync(stamps, is_sorted):
    class Deals(Stream):
        name = "deals"
        schema = th.PropertiesList(
            th.Property("id", th.IntegerType), th.Property("updated_at", th.DateTimeType)
        ).to_dict()
        replication_key = "updated_at"

        def get_records(self, context):
            yield from ({"id": number, "updated_at": stamp} for number, stamp in enumerate(stamps))

    Deals.is_sorted = is_sorted

    class Source(Tap):
        name = "tap-deals"
        config_jsonschema = {"properties": {}}

        def discover_streams(self):
            return [Deals(tap=self)]

        def write_message(self, message):
            pass

    tap = Source(config={}, state={})
    try:
        tap.sync_all()
    except Exception as error:
        return type(error).__name__
    return tap.state["bookmarks"]["deals"].get("replication_key_value")


halves = ["2026-11-02T10:00:00Z", "2026-11-02T10:00:00.250Z"]
offsets = ["2026-11-02T01:00:00+01:00", "2026-11-01T23:30:00-05:00"]
for stamps in (halves, offsets):
    print(*stamps, "| sorted:", sync(stamps, True), "| unsorted, bookmark:", sync(stamps, False))
PY
cat >"$folder/expected" <<'TXT'
2026-11-02T10:00:00Z 2026-11-02T10:00:00.250Z | sorted: InvalidStreamSortException | unsorted, bookmark: 2026-11-02T10:00:00Z
2026-11-02T01:00:00+01:00 2026-11-01T23:30:00-05:00 | sorted: InvalidStreamSortException | unsorted, bookmark: 2026-11-02T01:00:00+01:00
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
