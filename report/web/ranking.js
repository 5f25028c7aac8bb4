"use strict";

/* The ranking: arms that share a rank stand together, and each score is drawn as an interval, not as a point. */

codebudget.sections = {};

{
  const { element, line, format, pairOf } = codebudget;

  const HEADS = [
    ["Rank", "One more than the number of arms that are ahead"],
    ["Arm", "Model, precision and samples per task"],
    ["Score", "Share of tasks solved, with its 95 % interval"],
    ["Against the best", "Paired difference in points, with its 95 % interval"],
    ["Size", "Parameters"],
    ["Cost", "Cost per task of the arm's samples, and of the tests and the ranking that the score takes"],
    ["Ratio", "Cost over that of its run's first arm, or of the budget"],
  ];

  /** The interval as a bar and the score as a dot, from 0 to 100 %. The text beside it says the same. */
  function bar([value, low, high]) {
    const namespace = "http://www.w3.org/2000/svg";
    const shape = (name, attributes) => {
      const made = document.createElementNS(namespace, name);
      for (const [key, content] of Object.entries(attributes)) made.setAttribute(key, content);
      return made;
    };
    const svg = shape("svg", { viewBox: "0 0 104 12", class: "bar", "aria-hidden": "true", preserveAspectRatio: "none" });
    const x = (share) => 2 + 100 * share;
    svg.append(
      shape("line", { x1: 2, x2: 102, y1: 6, y2: 6, class: "track" }),
      shape("line", { x1: x(low), x2: x(high), y1: 6, y2: 6, class: "interval" }),
      shape("line", { x1: x(value), x2: x(value), y1: 1, y2: 11, class: "point" }),
    );
    return svg;
  }

  function matched(entry) {
    if (entry.matched === null) return "";
    return entry.matched ? (entry.equal ? "equal budget" : "within budget") : "over or under the budget";
  }

  function row(view, place, first, best, rank, size) {
    const { board, index, state } = view;
    const entry = board.entries[place];
    const interval = entry.scores[state.score];
    const pair = place === best ? null : pairOf(board, state.score, place, best);
    const { field } = format.KINDS[state.cost];
    const cost = format.costOf(entry, state.score, state.cost);
    /* The limit is the same, so that the ratio grows as the cost does. */
    const plain = entry.cost[field];
    const ratio = entry.ratio[field] === null || !plain ? entry.ratio[field] : (entry.ratio[field] * cost) / plain;
    const note = [
      entry.greedy ? "greedy" : null,
      entry.scored < board.tasks.length ? `${entry.scored} of ${board.tasks.length} tasks` : null,
      index.runs.length > 1 ? line(index.runs[entry.run].name) : null,
    ].filter((text) => text !== null);
    return element(
      "tr",
      {},
      first
        ? element(
            "th",
            { scope: "rowgroup", rowspan: size, class: "rank" },
            String(rank),
            size > 1 ? element("span", { class: "tied" }, ` ${size} tied`) : null,
          )
        : null,
      element(
        "th",
        { scope: "row", class: "arm" },
        element("bdi", {}, line(entry.spec)),
        element("span", { class: "quiet" }, [`${line(entry.model)}, ${line(entry.precision)}`, ...note].join(" · ")),
      ),
      element("td", { class: "score" }, format.score(interval), bar(interval)),
      element("td", { class: "number" }, place === best ? "best" : pair ? format.difference(pair) : format.NONE),
      element("td", { class: "number" }, format.parameters(entry.parameters)),
      element("td", { class: "number" }, format.cost(state.cost, cost)),
      element("td", { class: "number", title: matched(entry) }, ratio === null ? format.NONE : `${ratio.toFixed(2)}×`),
    );
  }

  function render(body, view) {
    const { board, state, ranking } = view;
    if (!ranking.length) {
      body.replaceChildren(element("p", { class: "note" }, "No arm has this score under these filters."));
      return;
    }
    const groups = Map.groupBy(ranking, ({ rank }) => rank);
    const best = ranking[0].place;
    const without = view.shown.length - ranking.length;
    body.replaceChildren(
      element(
        "p",
        { class: "lead" },
        "Arms that share a rank are tied. An arm's rank is one more than the number of shown arms that are ahead of it: " +
          "whose paired difference with it, over the tasks that both have, has a 95 % interval above 0. Every pair is " +
          "looked at for itself; a run's advice, which corrects for their number, may tell fewer arms apart.",
      ),
      element(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": "Ranking" },
        element(
          "table",
          { class: "ranking" },
          element("caption", {}, `${line(board.name)}, ${format.metric(state.score)}, ${ranking.length} arms`),
          element(
            "thead",
            {},
            element(
              "tr",
              {},
              HEADS.map(([text, title], place) =>
                element("th", { scope: "col", title, class: place > 2 ? "number" : null }, text),
              ),
            ),
          ),
          [...groups].map(([rank, members]) =>
            element(
              "tbody",
              {},
              members.map(({ place }, i) => row(view, place, i === 0, best, rank, members.length)),
            ),
          ),
        ),
      ),
      without ? element("p", { class: "quiet" }, `${without} arms have no such score.`) : "",
    );
  }

  codebudget.sections.ranking = { render };
}
