// The stream of changes. The browser opens it again by itself; the first event is then the whole board.

/**
 * @param {{board: Function, trail: Function, health: Function, state: Function}} listeners
 * @returns {EventSource}
 */
export function follow(listeners) {
  const source = new EventSource("/api/events");
  for (const name of ["board", "trail", "health"]) {
    source.addEventListener(name, (event) => listeners[name](JSON.parse(event.data)));
  }
  source.addEventListener("open", () => listeners.state("live"));
  source.addEventListener("error", () => listeners.state(source.readyState === EventSource.CLOSED ? "closed" : "reconnecting"));
  return source;
}
