// What is known: cards by campaign, columns, what was sent and not yet answered. Knows no element.

export const COLUMNS = ["backlog", "test", "scale", "hold", "stopped", "archived"];

/** Columns in which a campaign spends. */
export const RUNS = new Set(["test", "scale"]);

/** Whether the controller has said something of a card, beyond its figures. */
function isAnswer(before, after) {
  return before.column !== after.column || before.reason !== after.reason || before.budget_micros !== after.budget_micros
    || before.hold?.reason !== after.hold?.reason || before.proposal?.action_id !== after.proposal?.action_id;
}

/** Past this, a controller that has not answered is worth a word. */
export const PATIENCE_MS = 15_000;

export class Store {
  constructor() {
    this.cards = new Map();
    /** Whether the board has told its cards. */
    this.isKnown = false;
    this.columns = {};
    this.pending = new Map();
    /** By campaign the id of the last decision that this page has sent. */
    this.lastSent = new Map();
    /** By campaign what became of its latest action on the ad platform. */
    this.effects = new Map();
    this.health = { redis: true, broker: true };
    /** How old figures are, and what holds them up; for how long the board has been silent, in milliseconds. */
    this.figures = { age_ms: null, problems: [] };
    this.silence = 0;
    /** Whom a comment can mention. */
    this.people = [];
    /** Alerts on the pipeline that fire. */
    this.alerts = [];
    /** Campaigns whose card must be drawn anew. */
    this.dirty = new Set();
    this.removed = new Set();
  }

  /** Takes in a `board` event; the campaigns that changed column, with from and to, and those that were answered. */
  take(board) {
    const moves = [], answers = [];
    this.isKnown = true;
    if (board.full) {
      const present = new Set(board.cards.map((each) => each.campaign_id));
      for (const id of this.cards.keys()) if (!present.has(id)) this.#remove(id);
    }
    for (const card of board.cards) {
      const known = this.cards.get(card.campaign_id);
      if (known && known.column !== card.column) moves.push({ card, from: known.column });
      if (known && this.pending.has(card.campaign_id) && isAnswer(known, card)) {
        this.pending.delete(card.campaign_id);
        answers.push(card);
      }
      this.cards.set(card.campaign_id, card);
      this.removed.delete(card.campaign_id);
      this.dirty.add(card.campaign_id);
    }
    for (const id of board.removed ?? []) this.#remove(id);
    if (board.columns) this.columns = board.columns;
    return { moves, answers };
  }

  /** Takes in an `effects` event. */
  takeEffects(effects) {
    for (const effect of effects) {
      this.effects.set(effect.campaign_id, effect);
      if (this.cards.has(effect.campaign_id)) this.dirty.add(effect.campaign_id);
    }
  }

  #remove(id) {
    this.cards.delete(id);
    this.pending.delete(id);
    this.dirty.delete(id);
    this.removed.add(id);
  }

  /** Remembers that something was sent and is not answered yet. */
  sent(id, decisionId, text) {
    this.pending.set(id, { decisionId, text, at: Date.now() });
    this.lastSent.set(id, decisionId);
    this.dirty.add(id);
  }

  /** Windows that any card has figures of, in their usual order. */
  windows() {
    const known = new Set();
    for (const card of this.cards.values()) for (const name of Object.keys(card.kpis)) known.add(name);
    const order = ["5m", "1h", "24h", "7d", "today", "total"];
    return [...known].sort((a, b) => order.indexOf(a) - order.indexOf(b));
  }
}

export const nameOf = (card) => card.name || card.campaign_id;

const RANKS = { bad: 1, good: 3 };

/** 0 is most urgent: a proposal, then bad evidence, then a hold, then the rest. */
export function urgency(card) {
  if (card.proposal) return 0;
  const worst = Math.min(4, ...Object.values(card.evidence).map((each) => RANKS[each.verdict] ?? 4));
  if (worst === 1) return 1;
  return card.hold ? 2 : 3;
}

const names = new Intl.Collator();

/** Sorts cards in place; what they are sorted by is worked out once for each. */
export function sortCards(cards, order, window) {
  const weigh = {
    spend: (card) => -card.spent_micros, roi: (card) => -(card.kpis[window]?.roi_net_profit ?? -Infinity), name: () => 0,
  }[order] ?? urgency;
  const weights = new Map(cards.map((card) => [card, weigh(card)]));
  const byWeight = (a, b) => { const [x, y] = [weights.get(a), weights.get(b)]; return x < y ? -1 : x > y ? 1 : 0; };
  return cards.sort((a, b) => byWeight(a, b) || names.compare(nameOf(a), nameOf(b)) || (a.campaign_id < b.campaign_id ? -1 : 1));
}
