"use strict";

/* Ranks without false precision: an arm's rank is one more than the number of arms that are ahead of it, which is where
   the 95 % interval of their paired difference, over the tasks that both have, lies above 0. */

{
  /** The paired difference `a` minus `b` on a metric, as [difference, low, high]; null where there is none. */
  function pairOf(board, metric, a, b) {
    board.pairIndex ??= new Map();
    if (!board.pairIndex.has(metric)) {
      board.pairIndex.set(metric, new Map((board.pairs[metric] ?? []).map(([x, y, ...rest]) => [`${x} ${y}`, rest])));
    }
    const pairs = board.pairIndex.get(metric);
    const straight = pairs.get(`${a} ${b}`);
    if (straight) return straight;
    const turned = pairs.get(`${b} ${a}`);
    return turned ? [-turned[0], -turned[2], -turned[1]] : null;
  }

  function isAhead(board, metric, a, b) {
    const pair = pairOf(board, metric, a, b);
    return pair !== null && pair[1] > 0;
  }

  /** The shown entries as [{place, rank}], best first; arms without a score are left out. */
  function rankArms(board, metric, places) {
    const scored = places.filter((place) => (board.entries[place].scores[metric]?.[0] ?? null) !== null);
    const ranked = scored.map((place) => ({
      place,
      rank: 1 + scored.filter((other) => isAhead(board, metric, other, place)).length,
    }));
    const value = ({ place }) => board.entries[place].scores[metric][0];
    return ranked.sort((a, b) => a.rank - b.rank || value(b) - value(a) || a.place - b.place);
  }

  Object.assign(codebudget, { rankArms, pairOf });
}
