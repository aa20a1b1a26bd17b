"""The DuckDB that a mapping runs in: on disk beyond a bound of memory, with the functions that mappings may use."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from streams.mapping.zones import MICROSOFT

#: Beyond this DuckDB writes to its folder.
_MEMORY = "384MB"
_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"


def _codes(codes: str) -> str:
    return ", ".join(f"'{code}'" for code in codes.split())


#: Functions for the SQL of mappings; docs/replay.md tells what each is for.
_FUNCTIONS = f"""
CREATE MACRO slug(text) AS trim(regexp_replace(lower(strip_accents(text)), '[^a-z0-9]+', '-', 'g'), '-');

-- A name that the slug would not tell from another gets a part of its hash.
CREATE MACRO name_id(prefix, name) AS prefix || '-' || CASE
  WHEN regexp_full_match(name, '[A-Za-z0-9]+( [A-Za-z0-9]+)*') THEN slug(name)
  WHEN slug(name) = '' THEN left(md5(name), 12)
  ELSE slug(name) || '-' || left(md5(name), 6) END;

-- Visitors write what they like: what is no UTF-8 stays as it is encoded.
CREATE MACRO decoded(text) AS coalesce(TRY(url_decode(text)), text);
CREATE MACRO url_param(url, name) AS nullif(decoded(replace(
  regexp_extract(url, '(?i)(?:^|[?&#;\\s])' || name || '=([^&#\\s]+)', 1), '+', ' ')), '');

-- The first or the last day of a line that is nothing but a day or two of them.
CREATE MACRO day_said(text, place) AS CAST(try_strptime(regexp_extract(text,
  '(?m)^\\W*(\\pL+ \\d\\d?, \\d{{4}}|\\d\\d? \\pL+ \\d{{4}})(?: [-\\x{{2013}}] (\\pL+ \\d\\d?, \\d{{4}}|\\d\\d? \\pL+ \\d{{4}}))?\\W*$', place),
  ['%B %d, %Y', '%b %d, %Y', '%d %B %Y', '%d %b %Y']) AS DATE);

CREATE MACRO decimals_of(currency) AS CASE
  WHEN upper(currency) IN ({_codes(_NO_DECIMALS)}) THEN 0
  WHEN upper(currency) IN ({_codes(_THREE_DECIMALS)}) THEN 3 ELSE 2 END;
CREATE MACRO from_minor(amount, currency) AS amount * CASE decimals_of(currency)
  WHEN 0 THEN 1.000 WHEN 3 THEN 0.001 ELSE 0.010 END;

-- A local time that occurs twice is its first occurrence; DuckDB itself takes the second. The first has the offset of a day before.
CREATE MACRO by_offset_before(moment, local, zone) AS moment - INTERVAL 24 HOUR
  + to_microseconds(epoch_us(local) - epoch_us(timezone(zone, moment - INTERVAL 24 HOUR)));
CREATE MACRO first_of(moment, local, zone) AS CASE
  WHEN timezone(zone, by_offset_before(moment, local, zone)) = local THEN by_offset_before(moment, local, zone)
  ELSE moment END;
CREATE MACRO in_zone(local, zone) AS
  first_of(timezone(zone, CAST(local AS TIMESTAMP)), CAST(local AS TIMESTAMP), zone);

-- Whether another local time is, or would be, the same instant: the local hour comes twice, or the one before it does not exist.
CREATE MACRO local_at(millis, zone) AS timezone(zone, timezone('UTC', make_timestamp_ms(millis)));
CREATE MACRO is_beside_change(millis, zone) AS
  local_at(millis + 3600000, zone) = local_at(millis, zone) OR local_at(millis + 1800000, zone) = local_at(millis, zone)
  OR local_at(millis, zone) - local_at(millis - 3600000, zone) > INTERVAL 1 HOUR;
CREATE MACRO known_zone(zone) AS CASE WHEN zone IN (SELECT name FROM zones) THEN zone END;
CREATE MACRO microsoft_zone(name) AS MAP {{{", ".join(f"'{name}': '{zone}'" for name, zone in MICROSOFT.items())}}}[name];
"""


@contextmanager
def opened() -> Iterator[Any]:
    """A connection to an empty database in a folder of its own, which is removed at the end."""
    import duckdb  # noqa: PLC0415 - a fifth of a second that other commands need not pay

    with tempfile.TemporaryDirectory(prefix="roistream-replay-") as folder:
        database = duckdb.connect(
            # In memory, so that nothing waits for a disk; tables beyond the bound are in the folder all the same.
            ":memory:",
            config={
                "memory_limit": _MEMORY,
                "temp_directory": folder,
                # Nothing is fetched, and no file but those of the replay is read.
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "enable_external_access": True,
                # One thread keeps the order of rows, so that the same file gives the same records in every run.
                "threads": 1,
            },
        )
        try:
            database.execute("SET TimeZone = 'UTC'")
            database.execute("CREATE TABLE zones AS SELECT name FROM pg_timezone_names()")
            database.execute(_FUNCTIONS)
            yield database
        finally:
            database.close()
