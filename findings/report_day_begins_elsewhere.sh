#!/usr/bin/env bash
# When a report's day begins in its account's zone, by dayjs 1.11.23, Luxon 3.7.2, moment-timezone 0.6.6, date-fns-tz 3.2.0, @date-fns/tz 1.5.0, js-joda 6.3.2 and
# temporal-polyfill 1.0.8.
#
# Guess: libraries with the zone database agree on the instant at which a day begins, wherever the program runs.
# Seen: Temporal and js-joda do. Where clocks change at midnight and skip it (Cairo, Beirut, Santiago in September), date-fns-tz begins the day an hour early, within
#   the evening before; so does dayjs in Cairo and Beirut, and in Santiago in April, where the hour before midnight comes twice. Where midnight comes twice (Havana,
#   the Azores), Luxon takes the second one, moment-timezone on the Azores. What dayjs and @date-fns/tz say depends on the zone of the machine, too: on one in New York
#   dayjs begins the day in Paris an hour early when summer time comes, and Santiago's of September, an hour that is then in two of its days.
# Why it matters: clicks of that hour are in another day than in the platform's report: spend by day is set against leads of another day. A test on one
#   developer's machine passes. Take the start of day of Temporal or js-joda, and end a day where the next one begins.
set -euo pipefail
command -v npm >/dev/null || exit 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm install --silent --no-fund --no-audit dayjs@1.11.23 luxon@3.7.2 moment-timezone@0.6.6 date-fns@4.4.0 date-fns-tz@3.2.0 @date-fns/tz@1.5.0 \
  @js-joda/core@6.3.2 @js-joda/timezone@2.25.2 temporal-polyfill@1.0.8 >/dev/null) || exit 2
cat >"$folder/days.js" <<'JS'
const dayjs = require("dayjs")
dayjs.extend(require("dayjs/plugin/utc"))
dayjs.extend(require("dayjs/plugin/timezone"))
const moment = require("moment-timezone")
const { DateTime } = require("luxon")
const { fromZonedTime } = require("date-fns-tz")
const { TZDate } = require("@date-fns/tz")
const { startOfDay } = require("date-fns")
const { LocalDate, ZoneId } = require("@js-joda/core")
require("@js-joda/timezone")
const { Temporal } = require("temporal-polyfill")

const starts = {
  Temporal: (day, zone) => Temporal.PlainDate.from(day).toZonedDateTime(zone).epochMilliseconds,
  "js-joda": (day, zone) => LocalDate.parse(day).atStartOfDay(ZoneId.of(zone)).toInstant().toEpochMilli(),
  "@date-fns/tz": (day, zone) => startOfDay(TZDate.tz(zone, ...day.split("-").map((part, at) => part - (at === 1)), 12)).getTime(),
  "moment-timezone": (day, zone) => moment.tz(`${day}T12:00`, zone).startOf("day").valueOf(),
  Luxon: (day, zone) => DateTime.fromISO(`${day}T12:00`, { zone }).startOf("day").toMillis(),
  dayjs: (day, zone) => dayjs.tz(`${day}T12:00`, zone).startOf("day").valueOf(),
  "date-fns-tz": (day, zone) => fromZonedTime(`${day}T00:00`, zone).getTime(),
}
const hour = (instant) => new Date(instant).toISOString().slice(5, 16)
for (const each of process.argv.slice(2)) {
  const [zone, day] = each.split(" ")
  const said = Object.entries(starts).map(([name, start]) => [name, hour(start(day, zone))])
  const others = said.filter(([, start]) => start !== said[0][1]).map(([name, start]) => `${name} ${start}`)
  const before = new Date(Date.parse(day) - 864e5).toISOString().slice(0, 10)
  const shared = (dayjs.tz(`${before}T12:00`, zone).endOf("day").valueOf() + 1 - starts.dayjs(day, zone)) / 36e5
  console.log(`${each}: ${said[0][1]}; ${others.join(", ") || "all"}${shared ? `; hours in two of dayjs's days: ${shared}` : ""}`)
}
JS
days=("Europe/Paris 2026-03-29" "America/New_York 2026-11-01" "Africa/Cairo 2026-04-24" "Asia/Beirut 2026-03-29" "America/Santiago 2026-09-06"
  "America/Santiago 2026-04-05" "America/Havana 2026-11-01" "Atlantic/Azores 2026-10-25")
for machine in UTC America/New_York; do
  echo "on a machine in $machine"
  TZ=$machine node "$folder/days.js" "${days[@]}"
done >"$folder/seen"
cat >"$folder/expected" <<'TXT'
on a machine in UTC
Europe/Paris 2026-03-29: 03-28T23:00; all
America/New_York 2026-11-01: 11-01T04:00; all
Africa/Cairo 2026-04-24: 04-23T22:00; dayjs 04-23T21:00, date-fns-tz 04-23T21:00
Asia/Beirut 2026-03-29: 03-28T22:00; dayjs 03-28T21:00, date-fns-tz 03-28T21:00
America/Santiago 2026-09-06: 09-06T04:00; date-fns-tz 09-06T03:00
America/Santiago 2026-04-05: 04-05T04:00; dayjs 04-05T03:00
America/Havana 2026-11-01: 11-01T04:00; Luxon 11-01T05:00
Atlantic/Azores 2026-10-25: 10-25T00:00; moment-timezone 10-25T01:00, Luxon 10-25T01:00
on a machine in America/New_York
Europe/Paris 2026-03-29: 03-28T23:00; dayjs 03-28T22:00
America/New_York 2026-11-01: 11-01T04:00; all
Africa/Cairo 2026-04-24: 04-23T22:00; dayjs 04-23T21:00, date-fns-tz 04-23T21:00
Asia/Beirut 2026-03-29: 03-28T22:00; dayjs 03-28T21:00, date-fns-tz 03-28T21:00
America/Santiago 2026-09-06: 09-06T04:00; dayjs 09-06T03:00, date-fns-tz 09-06T03:00; hours in two of dayjs's days: 1
America/Santiago 2026-04-05: 04-05T04:00; all
America/Havana 2026-11-01: 11-01T04:00; Luxon 11-01T05:00
Atlantic/Azores 2026-10-25: 10-25T00:00; @date-fns/tz 10-25T01:00, moment-timezone 10-25T01:00, Luxon 10-25T01:00, dayjs 10-25T01:00
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
