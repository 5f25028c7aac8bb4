"use strict";

/* What arms score at every budget that buys another sample, with 95 % bands, and where one overtakes another. */

{
  const { element, line, format, plots, state } = codebudget;
  const AT_FIRST = 6;

  /** [{budget, interval, k}] of an entry by a kind of cost: steps that hold until the next. */
  function steps(entry, metric, field) {
    const { ks, costs, scores } = entry.curve;
    return ks
      .map((k, i) => ({ k, budget: costs[field][i], interval: scores[metric]?.[i] }))
      .filter(({ budget, interval }) => budget > 0 && interval && interval[0] !== null);
  }

  function traces(place, entry, points, colours) {
    const { series, dash } = plots.style(place);
    const colour = colours.series[series];
    const x = points.map(({ budget }) => budget);
    const at = (i) => points.map(({ interval }) => interval[i]);
    const bound = { type: "scatter", mode: "lines", x, line: { shape: "hv", width: 0 }, hoverinfo: "skip" };
    return [
      { ...bound, y: at(1) },
      { ...bound, y: at(2), fill: "tonexty", fillcolor: plots.faded(colour, 0.12) },
      {
        type: "scatter",
        mode: "lines+markers",
        x,
        y: at(0),
        line: { shape: "hv", color: colour, dash, width: 2 },
        marker: { size: 4, color: colour },
        hovertext: points.map(
          ({ k, interval }) => `${plots.escapePlotly(entry.name)}<br>k = ${k}: ${format.score(interval)}`,
        ),
        hoverinfo: "text",
      },
    ];
  }

  function crossingTrace(crossings, board, metric, field, colours) {
    const height = ({ leader, budget }) =>
      steps(board.entries[leader], metric, field).findLast((step) => step.budget <= budget * (1 + 1e-9))?.interval[0];
    const marked = crossings.filter((crossing) => crossing.budget !== null && height(crossing) !== undefined);
    return {
      type: "scatter",
      mode: "markers",
      x: marked.map(({ budget }) => budget),
      y: marked.map(height),
      marker: { size: 13, symbol: "diamond-open", color: colours.text, line: { width: 2 } },
      hovertext: marked.map(({ sentence }) => plots.escapePlotly(sentence).replace(/(.{60}\S*)\s/g, "$1<br>")),
      hoverinfo: "text",
    };
  }

  function swatch(place) {
    const { series, dash } = plots.style(place);
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", `swatch series-${series} ${dash}`);
    svg.setAttribute("viewBox", "0 0 28 8");
    svg.setAttribute("aria-hidden", "true");
    const stroke = document.createElementNS(svg.namespaceURI, "path");
    stroke.setAttribute("d", "M0 4h28");
    svg.append(stroke);
    return svg;
  }

  function legend(candidates, chosen, board) {
    return element(
      "fieldset",
      {
        class: "legend",
        onchange: ({ currentTarget }) =>
          state.change({ curve: [...currentTarget.querySelectorAll("input:checked")].map((box) => box.value) }),
      },
      element("legend", {}, "Arms drawn"),
      candidates.map((place) =>
        element(
          "label",
          { class: "check" },
          element("input", { type: "checkbox", value: board.entries[place].id, checked: chosen.includes(place) }),
          swatch(place),
          element("bdi", {}, line(board.entries[place].name)),
        ),
      ),
    );
  }

  function render(body, view) {
    const { board, state: chosenState } = view;
    const kind = format.KINDS[chosenState.cost];
    const { field } = kind;
    const metric = chosenState.score;
    const candidates = view.ranking
      .map(({ place }) => place)
      .filter((place) => board.entries[place].curve?.costs[field] && steps(board.entries[place], metric, field).length);
    if (!candidates.length) {
      body.replaceChildren(element("p", { class: "note" }, "No shown arm has scores at several budgets of this kind."));
      return;
    }
    const wanted = candidates.filter((place) => chosenState.curve.includes(board.entries[place].id));
    const chosen = wanted.length ? wanted : candidates.slice(0, AT_FIRST);
    const name = format.curve(chosenState.cost, metric);
    const crossings = board.crossings.filter(
      (found) =>
        found.metric === metric && found.by === chosenState.cost && chosen.includes(found.a) && chosen.includes(found.b),
    );
    const rows = chosen.flatMap((place) =>
      steps(board.entries[place], metric, field).map(({ k, budget, interval }) => [
        line(board.entries[place].name),
        String(k),
        format.cost(chosenState.cost, budget),
        format.score(interval),
      ]),
    );
    const { made, plot } = plots.figure(
      `${name} of ${chosen.map((place) => line(board.entries[place].name)).join(", ")}.`,
      "A line steps up where the budget buys another number of samples that was looked at, and ends with the arm's samples. " +
        "Bands are 95 % intervals over tasks. A diamond marks the budget from which an arm stays ahead of another.",
      [{ text: "Arm" }, { text: "k", number: true }, { text: "Budget", number: true }, { text: name, number: true }],
      rows,
    );
    body.replaceChildren(
      element("p", { class: "lead" }, element("strong", {}, name)),
      legend(candidates, chosen, board),
      made,
      crossings.length
        ? element(
            "details",
            { open: crossings.length <= 6 },
            element("summary", {}, `Where one overtakes another, pair by pair (${crossings.length})`),
            element("ul", { class: "crossings" }, crossings.map(({ sentence }) => element("li", {}, line(sentence)))),
          )
        : "",
    );
    const colours = plots.theme();
    plots.draw(
      plot,
      [
        ...chosen.flatMap((place) =>
          traces(place, board.entries[place], steps(board.entries[place], metric, field), colours),
        ),
        crossingTrace(crossings, board, metric, field, colours),
      ],
      { kind, title: metric === "pass_at_k" ? "pass@k" : "rank-score@k" },
    );
  }

  codebudget.sections.curves = { render };
}
