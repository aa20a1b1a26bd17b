// Ids of decisions: whoever sends one again says nothing twice.

export function newId() {
  // randomUUID is missing where the page does not come from localhost or by https.
  if (crypto.randomUUID) return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))].map((each) => each.toString(16).padStart(2, "0")).join("");
}
