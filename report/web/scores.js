"use strict";

/* Every score of every shown arm, by each way of picking. */

{
  const { element, line, format, table } = codebudget;

  function render(body, view) {
    const { board, ranking, shown } = view;
    const order = ranking.map(({ place }) => place);
    const places = [...order, ...shown.filter((place) => !order.includes(place))];
    body.replaceChildren(
      element(
        "p",
        { class: "lead" },
        "pass@k is for those whose own tests can pick; the others are rank-score@k, how often the candidate that the ranker " +
          "puts first passes. random picks blindly and oracle by the hidden tests: the bounds.",
      ),
      table(
        `Scores in per cent with 95 % intervals, at each arm's own k`,
        [{ text: "Arm" }, ...board.metrics.map((name) => ({ text: format.metric(name), number: true }))],
        places.map((place) => {
          const entry = board.entries[place];
          return [line(entry.name), ...board.metrics.map((name) => format.score(entry.scores[name]))];
        }),
      ),
    );
  }

  codebudget.sections.rankers = { render };
}
