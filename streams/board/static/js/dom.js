// Elements without markup in strings: every text becomes a text node, whatever it holds.

/**
 * An element with attributes and children.
 * @param {string} name tag, with classes: "p.error"
 * @param {Object<string, ?(string|number|boolean)>} attributes null and false are left out
 * @param {...(Node|string|number|null)} children strings become text
 */
export function h(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === false || value === undefined) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.filter((each) => each !== null && each !== undefined).map((each) => each instanceof Node ? each : String(each)));
  return node;
}

/** An SVG element. */
export function svg(tag, attributes = {}) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  return node;
}

/** Sets a text only where it differs: the rest of the page need not be laid out anew. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setHidden(node, isHidden) {
  if (node.hidden !== isHidden) node.hidden = isHidden;
}

export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

export const byId = (id) => document.getElementById(id);

/** Says something to who does not see the page. */
export function announce(text) {
  byId("announcer").textContent = text;
}
