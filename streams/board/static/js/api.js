// The board's HTTP API. Errors carry the sentence the server says.

import { language, t } from "./i18n.js";

export class ApiError extends Error {
  constructor(status, message, decision = null) {
    super(message);
    this.status = status;
    /** The decision of somebody else that came first, where that is why. */
    this.decision = decision;
  }
}

async function call(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: { "Accept-Language": language, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
    });
  } catch {
    throw new ApiError(0, t("The board does not answer; nothing was sent. Is it running?"));
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(response.status, answer.error ?? t("The board answers {status}.", { status: response.status }), answer.decision);
  return answer;
}

export const api = {
  session: () => call("GET", "/api/session"),
  login: (token, name) => call("POST", "/api/session", { token, name }),
  logout: () => call("DELETE", "/api/session"),
  campaign: (id) => call("GET", `/api/campaigns/${encodeURIComponent(id)}`),
  readings: (window) => call("GET", `/api/campaigns?window=${window}`),
  customers: (model, id) => call("GET", `/api/customers?${new URLSearchParams(id ? { model, campaign_id: id } : { model })}`),
  archive: (asked) => call("GET", `/api/archive?${new URLSearchParams(asked)}`),
  forecast: (plan) => call("POST", "/api/forecast", plan),
  score: (made) => call("POST", "/api/forecast/score", made),
  check: (currency) => call("GET", currency ? `/api/forecast/check?currency=${encodeURIComponent(currency)}` : "/api/forecast/check"),
  trail: (asked = {}) => call("GET", `/api/trail?${new URLSearchParams({ limit: 300, ...asked })}`),
  decide: (decision) => call("POST", "/api/decisions", decision),
  decideOnMany: (decisions) => call("POST", "/api/decisions/bulk", { decisions }),
  undo: (asked) => call("POST", "/api/undo", asked),
  simulate: (preset) => call("POST", "/api/simulate", { preset }),
};

/** Questions of one place of the page, of which only the newest counts: answers may come in another order. */
export class Newest {
  #asked = 0;

  /** The answer; null where something was asked since, whatever became of this one. */
  async of(answer) {
    const mine = this.#asked += 1;
    try {
      const found = await answer;
      return mine === this.#asked ? found : null;
    } catch (error) {
      if (mine === this.#asked) throw error;
      return null;
    }
  }
}
