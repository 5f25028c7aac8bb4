"use strict";

/* Cost against score. On the Pareto front is an arm that no cheaper one equals: those are filled and joined. */

{
  const { element, line, format, plots } = codebudget;

  /** Of [{cost, value}], those that score more than all that cost no more; cheapest first. */
  function paretoFront(points) {
    const front = [];
    for (const point of [...points].sort((a, b) => a.cost - b.cost || b.value - a.value)) {
      if (!front.length || point.value > front.at(-1).value) front.push(point);
    }
    return front;
  }

  function trace(points, front, colours) {
    const label = ({ entry, interval, cost, kind }) =>
      [plots.escapePlotly(entry.spec), format.score(interval), format.cost(kind, cost)].join("<br>");
    return {
      type: "scatter",
      mode: front ? "markers+text" : "markers",
      x: points.map(({ cost }) => cost),
      y: points.map(({ value }) => value),
      error_y: {
        type: "data",
        symmetric: false,
        array: points.map(({ interval }) => interval[2] - interval[0]),
        arrayminus: points.map(({ interval }) => interval[0] - interval[1]),
        color: front ? colours.accent : colours.quiet,
        thickness: 1,
        width: 3,
      },
      text: points.map(({ entry }) => (front ? plots.escapePlotly(entry.spec) : "")),
      textposition: points.map((_, place) => (place === 0 ? "top right" : "top left")),
      textfont: { color: colours.text, size: 12 },
      hovertext: points.map(label),
      hoverinfo: "text",
      marker: {
        size: 9,
        symbol: front ? "circle" : "circle-open",
        color: front ? colours.accent : colours.quiet,
        line: { width: 1.5 },
      },
      cliponaxis: false,
    };
  }

  function render(body, view) {
    const { board, state } = view;
    const kind = format.KINDS[state.cost];
    const points = view.ranking
      .map(({ place }) => board.entries[place])
      .filter((entry) => format.costOf(entry, state.score, state.cost) > 0)
      .map((entry) => {
        const interval = entry.scores[state.score];
        return { entry, interval, value: interval[0], cost: format.costOf(entry, state.score, state.cost), kind: state.cost };
      });
    if (!points.length) {
      body.replaceChildren(element("p", { class: "note" }, `No shown arm has a known cost in ${kind.name}.`));
      return;
    }
    const front = paretoFront(points);
    const description = `${format.metric(state.score)} over ${kind.axis}; on the Pareto front, cheapest first: ${front
      .map(({ entry, interval, cost }) => `${line(entry.spec)} (${format.score(interval)} at ${format.cost(state.cost, cost)})`)
      .join(", ")}.`;
    const { made, plot } = plots.figure(
      description,
      "Filled, joined and named: the Pareto front, by the scores as estimated. Where intervals overlap, which arm is on it " +
        "may be chance; the ranking says which arms are told apart.",
      [
        { text: "Arm" },
        { text: "Score", number: true },
        { text: `Cost, ${kind.axis}`, number: true },
        { text: "On the front" },
      ],
      [...points]
        .sort((a, b) => a.cost - b.cost)
        .map((point) => [
          line(point.entry.spec),
          format.score(point.interval),
          format.cost(state.cost, point.cost),
          front.includes(point) ? "yes" : "",
        ]),
    );
    body.replaceChildren(made);
    const colours = plots.theme();
    const steps = {
      type: "scatter",
      mode: "lines",
      x: front.map(({ cost }) => cost),
      y: front.map(({ value }) => value),
      line: { shape: "hv", color: colours.accent, width: 1.5 },
      hoverinfo: "skip",
    };
    const others = points.filter((point) => !front.includes(point));
    plots.draw(plot, [steps, trace(others, false, colours), trace(front, true, colours)], {
      kind,
      title: format.metric(state.score),
    });
  }

  codebudget.sections.cost = { render };
}
