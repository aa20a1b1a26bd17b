// Whom a comment mentions: "@" and the name of somebody whom the board knows; the board notifies by the same rule. Knows no element.

const isWord = (letter) => letter !== undefined && /[\p{L}\p{N}]/u.test(letter);

/**
 * A text in pieces: plain strings, and names that it mentions.
 * @param {string} text
 * @param {Array<string>} names of people
 * @returns {Array<string|{name: string, text: string}>}
 */
export function piecesOf(text, names) {
  const letters = [...text], known = [...new Set(names)].filter(Boolean).map((name) => [name, [...name].length]).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const pieces = [];
  let plain = "", at = 0;
  while (at < letters.length) {
    const found = letters[at] === "@" && !isWord(letters[at - 1]) && known.find(([name, length]) =>
      letters.slice(at + 1, at + 1 + length).join("").toLowerCase() === name.toLowerCase() && !isWord(letters[at + 1 + length]));
    if (!found) {
      plain += letters[at];
      at += 1;
      continue;
    }
    const [name, length] = found;
    if (plain) pieces.push(plain);
    plain = "";
    pieces.push({ name, text: letters.slice(at, at + 1 + length).join("") });
    at += 1 + length;
  }
  return plain ? [...pieces, plain] : pieces;
}
