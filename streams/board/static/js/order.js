// Nodes that must be moved for an order, as few as there can be.

/**
 * The nodes that do not stand as they should: the others stand in the list, and in this order.
 * @param {Element} list
 * @param {Array<Element>} nodes in the order wanted; those that are elsewhere are among the ones given back
 */
export function outOfOrder(list, nodes) {
  const places = new Map([...list.children].map((node, at) => [node, at]));
  const standing = longestRising(nodes.map((node) => places.get(node) ?? null));
  return new Set(nodes.filter((node, at) => !standing.has(at)));
}

/** The indices of a longest subsequence that rises (patience sorting); null is in none. */
function longestRising(values) {
  const ends = [], before = [];
  values.forEach((value, at) => {
    if (value === null) return;
    let low = 0, high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[ends[middle]] < value) low = middle + 1;
      else high = middle;
    }
    before[at] = ends[low - 1];
    ends[low] = at;
  });
  const found = new Set();
  for (let at = ends[ends.length - 1]; at !== undefined; at = before[at]) found.add(at);
  return found;
}
