#!/usr/bin/env bash
# Segment 1.84.3, Amplitude 2.61.0, Mixpanel 2.83.0 and PostHog 1.449.2 in a page (jsdom 26.1.0): they read different campaigns from one link.
#
# Guess: `utm_campaign` is read as browsers and form encodings do, by all alike.
# Seen: "spring+sale" keeps its plus in Amplitude; Mixpanel makes a space of an encoded plus too, so two campaigns are one. Where a tool has added a
#   second `utm_campaign`, Segment and Amplitude take the last, the others the first. Segment and Amplitude cut at a second "=". A bare "%" loses the
#   campaign in Amplitude, and keeps the text as it is in Segment. Only Segment and Mixpanel read past a second "?".
# Why it matters: two tools on one page count the same visit for different campaigns, and cost joined by name finds half of the visits. Give campaigns
#   names of letters, digits and hyphens, and let nothing append to a link that has the parameter.
set -euo pipefail
command -v npm >/dev/null || exit 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix js jsdom@26.1.0 @segment/analytics-next@1.84.3 @amplitude/analytics-core@2.61.0 \
  mixpanel-browser@2.83.0 posthog-js@1.449.2 >/dev/null) || exit 2
cat >"$folder/js/page.js" <<'JS'
const { JSDOM } = require("jsdom")
const query = process.argv[2]
const page = new JSDOM("<script></script>", { url: "https://shop.example/" + query }).window
const names = ["document", "navigator", "location", "screen", "localStorage", "sessionStorage", "XMLHttpRequest"]
for (const name of ["window", ...names]) Object.defineProperty(globalThis, name, { value: name === "window" ? page : page[name], configurable: true, writable: true })
const api_host = "http://127.0.0.1:9" // Nothing is sent: each event is looked at and dropped.

async function main() {
  const read = {}
  read.segment = require("@segment/analytics-next/dist/cjs/plugins/env-enrichment").utm(location.search).name
  const { CampaignParser } = require("@amplitude/analytics-core")
  read.amplitude = (await new CampaignParser().parse()).utm_campaign
  const mixpanel = require("mixpanel-browser")
  const look = (event) => { read.mixpanel = event.properties.utm_campaign; return null }
  mixpanel.init("token", { api_host, batch_requests: false, hooks: { before_send_events: look } })
  mixpanel.track("visit")
  const posthog = require("posthog-js").default
  posthog.init("token", {
    api_host, persistence: "memory", autocapture: false, capture_pageview: false, disable_session_recording: true, advanced_disable_flags: true,
    disable_external_dependency_loading: true, before_send: (event) => { read.posthog = event.properties.utm_campaign; return null },
  })
  posthog.capture("visit")
  console.log(`${query}:`, ["segment", "amplitude", "mixpanel", "posthog"].map((tool) => `${tool} ${JSON.stringify(read[tool] ?? null)}`).join(", "))
  process.exit(0)
}
main()
JS
for query in '?utm_campaign=spring-sale' '?utm_campaign=spring+sale' '?utm_campaign=spring%2Bsale' '?utm_campaign=50%+off' \
  '?utm_campaign=first&utm_campaign=second' '?utm_campaign=size=10' '?page=2?utm_campaign=spring'; do
  node "$folder/js/page.js" "$query" >>"$folder/seen" 2>>"$folder/errors" || { cat "$folder/errors" >&2; exit 2; }
done
cat >"$folder/expected" <<'TXT'
?utm_campaign=spring-sale: segment "spring-sale", amplitude "spring-sale", mixpanel "spring-sale", posthog "spring-sale"
?utm_campaign=spring+sale: segment "spring sale", amplitude "spring+sale", mixpanel "spring sale", posthog "spring sale"
?utm_campaign=spring%2Bsale: segment "spring+sale", amplitude "spring+sale", mixpanel "spring sale", posthog "spring+sale"
?utm_campaign=50%+off: segment "50%+off", amplitude null, mixpanel "50% off", posthog "50% off"
?utm_campaign=first&utm_campaign=second: segment "second", amplitude "second", mixpanel "first", posthog "first"
?utm_campaign=size=10: segment "size", amplitude "size", mixpanel "size=10", posthog "size=10"
?page=2?utm_campaign=spring: segment "spring", amplitude null, mixpanel "spring", posthog null
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
