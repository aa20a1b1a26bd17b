// Reasons that rules and guards wrote down in English, in the reader's language. What a person wrote stays as it is.

import { locale, t } from "./i18n.js";
import { columnName, ownerName } from "./names.js";

const escaped = (text) => text.replaceAll(/[.*+?^$()|[\]\\]/g, "\\$&");

/** A sentence that is made of a text and its values, as an expression that finds the values. */
const sentence = (english, told) => ({ pattern: new RegExp(`^${escaped(english).replaceAll(/\{(\w+)\}/g, "(?<$1>.+?)")}$`, "s"), told });

const SENTENCES = [
  sentence("{kpis} surely better than target", t("{kpis} surely better than target")),
  sentence("{kpi} misses its target: e-value {found}, {needed} needed, after {count} earlier hold(s)", t("{kpi} misses its target: e-value {found}, {needed} needed, after {count} earlier hold(s)")),
  sentence("{kpi} misses its target: e-value {found}, {needed} needed", t("{kpi} misses its target: e-value {found}, {needed} needed")),
  sentence("CLV : CAC misses its target: {low} to {high} in the first twelve months by look {look}, {target} wanted, after {count} earlier hold(s)", t("CLV : CAC misses its target: {low} to {high} in the first twelve months by look {look}, {target} wanted, after {count} earlier hold(s)")),
  sentence("CLV : CAC misses its target: {low} to {high} in the first twelve months by look {look}, {target} wanted", t("CLV : CAC misses its target: {low} to {high} in the first twelve months by look {look}, {target} wanted")),
  sentence("the budget of {amount} is spent", t("the budget of {amount} is spent")),
  sentence("the hold by {owner} has expired; the evidence begins anew", t("the hold by {owner} has expired; the evidence begins anew")),
  sentence("the hold by {owner} has expired; the evidence goes on", t("the hold by {owner} has expired; the evidence goes on")),
  sentence("the plan has caught up with what was spent", t("the plan has caught up with what was spent")),
  sentence("there is room in test again", t("there is room in test again")),
  sentence("there is room in test", t("there is room in test")),
  sentence("the alert {rule} fires", t("the alert {rule} fires")),
  sentence("there are no figures yet", t("there are no figures yet")),
  sentence("the figures are stale: their watermark is {minutes} min old", t("the figures are stale: their watermark is {minutes} min old")),
  sentence("the figures are immature: {share} of the results have usually come by now", t("the figures are immature: {share} of the results have usually come by now")),
  sentence("the figures have no watermark yet: not every topic has been heard", t("the figures have no watermark yet: not every topic has been heard")),
  sentence("the circuit breaker is open: too many actions in an hour", t("the circuit breaker is open: too many actions in an hour")),
  sentence("the campaign rests after its last action", t("the campaign rests after its last action")),
  sentence("the caps leave no change worth an action", t("the caps leave no change worth an action")),
  sentence("no money is left under the total of the board", t("no money is left under the total of the board")),
  sentence("the budget may now be between {low} and {high}", t("the budget may now be between {low} and {high}")),
  sentence("the column {column} is full: {count} of {limit} campaigns", t("the column {column} is full: {count} of {limit} campaigns")),
  sentence("the alert {rule} has resolved; nothing was paused for it", t("the alert {rule} has resolved; nothing was paused for it")),
  sentence("the campaign is archived", t("the campaign is archived")),
  sentence("the campaign does not spend already", t("the campaign does not spend already")),
  sentence("the campaign is not held", t("the campaign is not held")),
  sentence("the campaign stands there already", t("the campaign stands there already")),
  sentence("the log is still being read: nothing is done before its end", t("the log is still being read: nothing is done before its end")),
  sentence("the column {column} is full: {amount} in cards is its limit", t("the column {column} is full: {amount} in cards is its limit")),
  sentence("the campaign is not registered any more: {verb} by {who}", t("the campaign is not registered any more: {verb} by {who}")),
  sentence("something was done since: {verb} by {who}", t("something was done since: {verb} by {who}")),
  sentence("too old to be done: {verb} by {who}", t("too old to be done: {verb} by {who}")),
  sentence("said in the future, by a clock that is wrong: {verb} by {who}", t("said in the future, by a clock that is wrong: {verb} by {who}")),
  sentence("there is no proposal to approve or to reject: {verb} by {who}", t("there is no proposal to approve or to reject: {verb} by {who}")),
  sentence("the hold would end before it begins", t("the hold would end before it begins")),
  sentence("a move needs a column", t("a move needs a column")),
  sentence("set_budget needs a budget", t("set_budget needs a budget")),
  sentence("the budget cannot be set: {error}", t("the budget cannot be set: {error}")),
  sentence("it was held when it was withdrawn", t("it was held when it was withdrawn")),
  sentence("registered again", t("registered again")),
  sentence("{rule} was rejected by {who}", t("{rule} was rejected by {who}")),
  sentence("{rule} was not answered in time", t("{rule} was not answered in time")),
  sentence("{money}, of {moved} moved between {count} campaigns: {profit} profit an hour expected of all moves together (± {error}; {share} likely a gain)", t("{money}, of {moved} moved between {count} campaigns: {profit} profit an hour expected of all moves together (± {error}; {share} likely a gain)")),
  sentence("its card of {amount} is spent and {reason}; it returns when there is room", t("its card of {amount} is spent and {reason}; it returns when there is room")),
  sentence("ahead of its pace: {projected} of {budget} by the end of its flight as projected (band to {high}); it rests until {time}", t("ahead of its pace: {projected} of {budget} by the end of its flight as projected (band to {high}); it rests until {time}")),
  sentence("{reason}; it spends as it did", t("{reason}; it spends as it did")),
  sentence("{reason}; {rules} has resolved since", t("{reason}; {rules} has resolved since")),
  sentence("{reason}; approved by {who}", t("{reason}; approved by {who}")),
];
/** The name of a rule before what a guard says about its request. */
const OF_A_RULE = /^((?:evidence|alert):\w+|budget|graduate|grow|hold expired|pace|pull|reallocation|wip): (.+)$/s;

/** Values of a sentence that are words of the controller, and not names or figures. */
const WORDS = { reason: (text) => reasonText(text), owner: ownerName, column: columnName };

/** Amounts as rules and guards write them. */
const AMOUNT = /^\d{1,3}(,\d{3})*\.\d{2}$/;
const amounts = new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 2 });

const valueText = (name, value) => AMOUNT.test(value) ? amounts.format(Number(value.replaceAll(",", ""))) : (WORDS[name] ?? String)(value);

/** A reason in the reader's language; as it is where nobody's code wrote it. */
export function reasonText(text) {
  const ruled = OF_A_RULE.exec(text);
  if (ruled) return t("{subject}: {text}", { subject: ruled[1], text: reasonText(ruled[2]) });
  for (const { pattern, told } of SENTENCES) {
    const found = pattern.exec(text);
    if (found) return told.replaceAll(/\{(\w+)\}/g, (whole, name) => name in (found.groups ?? {}) ? valueText(name, found.groups[name]) : whole);
  }
  return text;
}
