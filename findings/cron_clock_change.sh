#!/usr/bin/env bash
# croniter 7.0.0, cronsim 2.8, celery 5.7.0, crontab 1.0.5, cron-parser 5.10.6, cron 4.4.0 in Europe/Paris: on the nights on which clocks change one
# expression is another number of runs.
#
# Guess: "30 2 * * *" runs once a day and "30 * * * *" once an hour, or all leave out and repeat alike.
# Seen: as clocks go back, croniter runs the nightly job twice and the others once. Of 25 hours celery and crontab run the hourly job in 24: none in the
#   hour that comes again. As clocks go forward, of 23 hours, crontab names one instant twice, and cron adds a run at 03:00, which no minute of the
#   expression says. The nightly job runs at 03:00 in three and at 03:30 in three.
# Why it matters: a nightly import runs twice or an hour of reports is fetched by no run, on two nights a year. Let schedulers run in UTC, and let each run ask
#   for everything since the last one that was confirmed.
set -euo pipefail
command -v npm >/dev/null || exit 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check croniter==7.0.0 cronsim==2.8 celery==5.7.0 crontab==1.0.5 \
  tzdata==2025.2 || exit 2
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix js cron-parser@5.10.6 cron@4.4.0 luxon@3.7.2 >/dev/null) || exit 2
"$folder/venv/bin/python" - >"$folder/seen" <<'PY'
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from celery import Celery
from celery.schedules import crontab
from croniter import croniter
from cronsim import CronSim
from crontab import CronTab

PARIS = ZoneInfo("Europe/Paris")
NIGHTS = {"forward": datetime(2026, 3, 29, tzinfo=PARIS), "back": datetime(2026, 10, 25, tzinfo=PARIS)}


def of_croniter(expression, now):
    times = croniter(expression, now)
    while True:
        yield times.get_next(datetime)


def of_celery(expression, now):
    clock = [now]
    minute, hour, *_ = expression.split()
    app = Celery(set_as_current=False)
    app.conf.timezone = "Europe/Paris"
    schedule = crontab(minute=minute, hour=hour, app=app, nowfun=lambda: clock[0])
    while True:  # as beat does: so long until the next run, counted from the last one
        clock[0] = (clock[0].astimezone(UTC) + schedule.remaining_estimate(clock[0])).astimezone(PARIS)
        yield clock[0]


def of_crontab(expression, now):
    while True:
        now = CronTab(expression).next(now, return_datetime=True)
        yield now


WAYS = {"croniter": of_croniter, "cronsim": CronSim, "celery": of_celery, "crontab": of_crontab}
for name, runs_of in WAYS.items():
    for change, midnight in NIGHTS.items():
        end = (midnight + timedelta(days=1)).astimezone(UTC)
        for expression in ("30 2 * * *", "30 * * * *"):
            runs = takewhile(lambda at: at < end, (at.astimezone(UTC) for at in runs_of(expression, midnight - timedelta(seconds=1))))
            runs = [f"{at:%H:%M}" for at in runs]
            print(f"{name}, {change}, {expression}: {len(runs)} runs, first at", *runs[:5])
PY
cat >"$folder/js/runs.mjs" <<'JS'
import { CronExpressionParser } from "cron-parser"
import { CronTime } from "cron"
import { DateTime } from "luxon"

const zone = "Europe/Paris"
const nights = { forward: "2026-03-29", back: "2026-10-25" }
function* ofCronParser(expression, now) {
  const times = CronExpressionParser.parse(expression, { currentDate: now.toJSDate(), tz: zone })
  while (true) yield times.next().toDate()
}
function* ofCron(expression, now) {
  const times = new CronTime(expression, zone)
  while (true) yield (now = times.getNextDateFrom(now, zone)).toJSDate()
}
for (const [name, runsOf] of Object.entries({ "cron-parser": ofCronParser, cron: ofCron })) {
  for (const [change, day] of Object.entries(nights)) {
    const midnight = DateTime.fromISO(day, { zone })
    for (const expression of ["30 2 * * *", "30 * * * *"]) {
      const runs = []
      for (const at of runsOf(expression, midnight.minus({ seconds: 1 }))) {
        if (at >= midnight.plus({ days: 1 }).toJSDate()) break
        runs.push(at.toISOString().slice(11, 16))
      }
      console.log(`${name}, ${change}, ${expression}: ${runs.length} runs, first at ${runs.slice(0, 5).join(" ")}`)
    }
  }
}
JS
node "$folder/js/runs.mjs" >>"$folder/seen" || exit 2
cat >"$folder/expected" <<'TXT'
croniter, forward, 30 2 * * *: 1 runs, first at 01:00
croniter, forward, 30 * * * *: 23 runs, first at 23:30 00:30 01:30 02:30 03:30
croniter, back, 30 2 * * *: 2 runs, first at 00:30 01:30
croniter, back, 30 * * * *: 25 runs, first at 22:30 23:30 00:30 01:30 02:30
cronsim, forward, 30 2 * * *: 1 runs, first at 01:00
cronsim, forward, 30 * * * *: 23 runs, first at 23:30 00:30 01:30 02:30 03:30
cronsim, back, 30 2 * * *: 1 runs, first at 00:30
cronsim, back, 30 * * * *: 25 runs, first at 22:30 23:30 00:30 01:30 02:30
celery, forward, 30 2 * * *: 1 runs, first at 01:30
celery, forward, 30 * * * *: 23 runs, first at 23:30 00:30 01:30 02:30 03:30
celery, back, 30 2 * * *: 1 runs, first at 00:30
celery, back, 30 * * * *: 24 runs, first at 22:30 23:30 00:30 02:30 03:30
crontab, forward, 30 2 * * *: 1 runs, first at 01:30
crontab, forward, 30 * * * *: 24 runs, first at 23:30 00:30 01:30 01:30 02:30
crontab, back, 30 2 * * *: 1 runs, first at 00:30
crontab, back, 30 * * * *: 24 runs, first at 22:30 23:30 00:30 02:30 03:30
cron-parser, forward, 30 2 * * *: 1 runs, first at 01:30
cron-parser, forward, 30 * * * *: 23 runs, first at 23:30 00:30 01:30 02:30 03:30
cron-parser, back, 30 2 * * *: 1 runs, first at 00:30
cron-parser, back, 30 * * * *: 25 runs, first at 22:30 23:30 00:30 01:30 02:30
cron, forward, 30 2 * * *: 1 runs, first at 01:00
cron, forward, 30 * * * *: 24 runs, first at 23:30 00:30 01:00 01:30 02:30
cron, back, 30 2 * * *: 1 runs, first at 00:30
cron, back, 30 * * * *: 25 runs, first at 22:30 23:30 00:30 01:30 02:30
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
