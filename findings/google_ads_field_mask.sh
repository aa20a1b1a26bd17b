#!/usr/bin/env bash
# google-ads 34.0.0 (google-api-core 2.44.0): an update that sets a field to false or to 0 leaves that field out.
#
# Guess: the fields of the Google Ads API track presence, so `field_mask(None, message)`, the helper that the client's own
#   examples use for an update, names every field that was set.
# Seen: the message knows that the field was set (HasField is true), yet the mask leaves out what equals the type's zero:
#   false, 0, an empty list. Compared with the object before, the same helper names it.
# Why it matters: a mutate call with such a mask leaves the field as it is. Whoever writes to the platform builds the
#   mask by hand or against what was read before, and reads back.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  google-ads==34.0.0 google-api-core==2.44.0 proto-plus==1.29.0 || exit 2
"$folder/venv/bin/python" -W ignore - >"$folder/seen" <<'PY'
from google.ads.googleads.v26.resources.types.campaign import Campaign
from google.ads.googleads.v26.resources.types.campaign_budget import CampaignBudget
from google.api_core.protobuf_helpers import field_mask

name = "customers/1/campaignBudgets/2"
wanted = CampaignBudget(resource_name=name, explicitly_shared=False, amount_micros=5_000_000)
before = CampaignBudget(resource_name=name, explicitly_shared=True, amount_micros=4_000_000)
print("set:", wanted._pb.HasField("explicitly_shared"))
print("mask of the message alone:", *field_mask(None, wanted._pb).paths)
print("mask against the one before:", *field_mask(before._pb, wanted._pb).paths)
network = Campaign()
network.network_settings.target_content_network = False
print("only false set:", list(field_mask(None, network._pb).paths))
PY
cat >"$folder/expected" <<'TXT'
set: True
mask of the message alone: resource_name amount_micros
mask against the one before: amount_micros explicitly_shared
only false set: []
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
