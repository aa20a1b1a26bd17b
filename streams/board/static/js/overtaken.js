// Two people, one campaign: what was decided last as this page knows it, and the words where somebody else was quicker.

import { api } from "./api.js";
import { decision as words, moment } from "./format.js";
import { t } from "./i18n.js";

const LIMIT = 1000;
const isDecision = ({ kind, record }) => kind === "decision" && record.verb !== "comment";

/**
 * The last decision on each of some campaigns.
 * @param {import("./store.js").Store} store
 * @param {Array<string>} ids campaigns
 * @returns {Promise<Map<string, {id: string, record: ?object}>>} `id` is "" where there was none; a campaign of which that
 *   is not known is missing, and the board then compares nothing
 */
export async function lastDecisions(store, ids) {
  const found = new Map();
  try {
    const { entries } = await api.trail(ids.length === 1 ? { campaign_id: ids[0], limit: LIMIT } : { limit: LIMIT });
    const isWhole = entries.length < LIMIT;
    for (const id of ids) {
      const said = entries.find((each) => each.campaign_id === id && isDecision(each)), own = store.lastSent.get(id);
      // What this page sent last may not be in the trail yet.
      if (own && !entries.some((each) => each.id === own)) found.set(id, { id: own, record: null });
      else if (said || isWhole) found.set(id, { id: said?.id ?? "", record: said?.record ?? null });
    }
  } catch { /* the board compares nothing, and says itself what is wrong with the decision */ }
  return found;
}

/** A decision with who said it, when and why. */
export function said(record, currency) {
  const values = { name: record.by ?? t("someone"), text: words(record, currency), time: moment(record.occurred_at), reason: record.reason };
  return record.reason ? t("{name}, {time}: {text} (“{reason}”)", values) : t("{name}, {time}: {text}", values);
}

/** What is said to who was second. */
export const overtaken = (record, currency) => t("{text}. That was decided since you looked, so nothing was sent.", { text: said(record, currency) });
