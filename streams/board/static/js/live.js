// The stream of changes. The browser opens it again by itself; the first event is then the whole board.

import { language } from "./i18n.js";

/** The board says something every two seconds; a stream that is silent for longer is dead, and the browser may not notice. */
const SILENT_AFTER_MS = 6_000, OPENED_AGAIN_EVERY_MS = 10_000, LOOK_EVERY_MS = 1_000;

/**
 * Follows the stream until the board refuses it.
 * @param {{board: Function, trail: Function, effects: Function, health: Function, figures: Function, alerts: Function, state: Function, silence: Function}} listeners
 *   `silence` hears, every second, for how many milliseconds nothing has come; 0 while something does
 */
export function follow(listeners) {
  let spokenAt = Date.now(), openedAt = Date.now(), source = open();
  const looking = setInterval(look, LOOK_EVERY_MS);

  function open() {
    const made = new EventSource(`/api/events?language=${language}`);
    for (const name of ["board", "trail", "effects", "health", "figures", "alerts"]) {
      made.addEventListener(name, (event) => {
        spokenAt = Date.now();
        listeners.state("live");
        listeners[name](JSON.parse(event.data));
      });
    }
    made.addEventListener("error", () => {
      const isClosed = made.readyState === EventSource.CLOSED;
      if (isClosed) clearInterval(looking);
      listeners.state(isClosed ? "closed" : "reconnecting");
    });
    return made;
  }

  function look() {
    const silence = Date.now() - spokenAt;
    listeners.silence(silence > SILENT_AFTER_MS ? silence : 0);
    if (silence <= SILENT_AFTER_MS) return;
    listeners.state("reconnecting");
    if (Date.now() - openedAt < OPENED_AGAIN_EVERY_MS) return;
    openedAt = Date.now();
    source.close();
    source = open();
  }
}
