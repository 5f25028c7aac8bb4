"use strict";

/* What arms score at every budget that buys another sample, with 95 % bands, and where one overtakes another. */

{
  const { element, line, format, plots, state } = codebudget;
  const AT_FIRST = 6;
  /* More names than these would cover each other; letters stand for them then, and the list below the plot has all. */
  const MOST_NAMED = 3;

  const nameOf = ({ curve, name }) => curve.name ?? name;

  /** An entry's costs of a kind at each k: the total where tests and ranking are counted; null where not known. */
  function costsOf({ curve }, metric, field) {
    return curve && (curve.totals ? curve.totals[metric]?.[field] : curve.costs[field]);
  }

  /** [{budget, interval, k}] of an entry by a kind of cost: steps that hold until the next. */
  function steps(entry, metric, field) {
    const { ks, scores } = entry.curve;
    const costs = costsOf(entry, metric, field);
    return ks
      .map((k, i) => ({ k, budget: costs[i], interval: scores[metric]?.[i] }))
      .filter(({ budget, interval }) => budget > 0 && interval && interval[0] !== null);
  }

  /** The lines of an arm; one that holds at every larger budget goes on to the largest that is shown. */
  function traces(place, entry, points, colours, largest) {
    const { series, dash, symbol } = plots.style(place);
    const colour = colours.series[series];
    const goesOn = entry.curve.lasts && points.at(-1).budget < largest;
    const drawn = goesOn ? [...points, { ...points.at(-1), budget: largest }] : points;
    const x = drawn.map(({ budget }) => budget);
    const at = (i) => drawn.map(({ interval }) => interval[i]);
    const size = points.length === 1 ? 10 : 5;
    const bound = { type: "scatter", mode: "lines", x, line: { shape: "hv", width: 0 }, hoverinfo: "skip" };
    /* Where a score holds on, a band would cover what happens there: its interval stands at its point. */
    const band = entry.curve.lasts
      ? []
      : [
          { ...bound, y: at(1) },
          { ...bound, y: at(2), fill: "tonexty", fillcolor: plots.faded(colour, 0.12) },
        ];
    const bars = {
      type: "data",
      symmetric: false,
      array: drawn.map(({ interval }, i) => (i < points.length ? interval[2] - interval[0] : 0)),
      arrayminus: drawn.map(({ interval }, i) => (i < points.length ? interval[0] - interval[1] : 0)),
      color: colour,
      thickness: 1,
      width: 3,
    };
    return [
      ...band,
      {
        type: "scatter",
        mode: "lines+markers",
        x,
        y: at(0),
        ...(points.length === 1 ? { error_y: bars } : {}),
        line: { shape: "hv", color: colour, dash, width: 2 },
        marker: { size: drawn.map((_, i) => (i < points.length ? size : 0)), color: colour, symbol },
        hovertext: drawn.map(
          ({ k, interval }) => `${plots.escapePlotly(nameOf(entry))}<br>k = ${k}: ${format.score(interval)}`,
        ),
        hoverinfo: "text",
      },
    ];
  }

  /** Crossings with a budget, as points [{x, y, mark, crossings}]: those at one place share it, and its mark, a letter. */
  function crossingPoints(crossings, board, metric, field) {
    const points = [];
    for (const crossing of crossings) {
      const { leader, budget } = crossing;
      if (budget === null || leader === null) continue;
      const y = steps(board.entries[leader], metric, field).findLast((step) => step.budget <= budget * (1 + 1e-9))
        ?.interval[0];
      if (y === undefined) continue;
      const same = points.find((point) => Math.abs(point.x / budget - 1) < 0.005 && Math.abs(point.y - y) < 0.005);
      if (same) same.crossings.push(crossing);
      else points.push({ x: budget, y, crossings: [crossing] });
    }
    points.sort((a, b) => a.x - b.x || a.y - b.y);
    return points.map((point, i) => ({ ...point, mark: i < 26 ? String.fromCharCode(65 + i) : String(i + 1) }));
  }

  function crossingTrace(points, board, kind, colours) {
    const isRoomy = points.length <= MOST_NAMED && points.every(({ crossings }) => crossings.length === 1);
    const named = ({ mark, crossings: [{ a, b, leader, budget }] }) => {
      const [first, other] = [leader, leader === a ? b : a].map((place) => plots.escapePlotly(nameOf(board.entries[place])));
      return `${mark}: ${first} overtakes ${other}<br>from ${plots.escapePlotly(format.cost(kind, budget))}`;
    };
    const folded = ({ sentence }) => plots.escapePlotly(sentence).replace(/(.{60}\S*)\s/g, "$1<br>");
    return {
      type: "scatter",
      mode: "markers+text",
      x: points.map(({ x }) => x),
      y: points.map(({ y }) => y),
      text: points.map((point) => (isRoomy ? named(point) : point.mark)),
      textposition: points.map((_, i) => (i % 2 ? "bottom right" : "top left")),
      textfont: { color: colours.text, size: isRoomy ? 11 : 13 },
      cliponaxis: false,
      marker: { size: 13, symbol: "diamond-open", color: colours.text, line: { width: 2 } },
      hovertext: points.map(({ crossings }) => crossings.map(folded).join("<br>")),
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
          element("bdi", {}, line(nameOf(board.entries[place]))),
        ),
      ),
    );
  }

  function crossingFold(crossings, item) {
    return crossings.length
      ? element(
          "details",
          { open: crossings.length <= 6 },
          element("summary", {}, `Where one overtakes another, pair by pair (${crossings.length})`),
          element("ul", { class: "crossings" }, crossings.map(item)),
        )
      : "";
  }

  /** The crossings that the plot marks, and folded below them the pairs that have none. */
  function crossingLists(crossings, markOf, item) {
    const named = crossings.filter(markOf);
    const others = crossings.filter((crossing) => !markOf(crossing));
    return [
      named.length ? element("ul", { class: "crossings" }, named.map(item)) : "",
      others.length
        ? element(
            "details",
            { open: others.length <= 3 },
            element("summary", {}, `Pairs without a crossing (${others.length})`),
            element("ul", {}, others.map(item)),
          )
        : "",
    ];
  }

  function render(body, view) {
    const { board, state: chosenState } = view;
    const kind = format.KINDS[chosenState.cost];
    const { field } = kind;
    const metric = chosenState.score;
    const candidates = view.ranking
      .map(({ place }) => place)
      .filter((place) => costsOf(board.entries[place], metric, field) && steps(board.entries[place], metric, field).length);
    if (!candidates.length) {
      body.replaceChildren(element("p", { class: "note" }, "No shown arm has scores at several budgets of this kind."));
      return;
    }
    const wanted = candidates.filter((place) => chosenState.curve.includes(board.entries[place].id));
    /* One comparison has few arms, and is about all of them. */
    const isTotal = candidates.every((place) => board.entries[place].curve.totals);
    const chosen = wanted.length ? wanted : candidates.slice(0, isTotal ? candidates.length : AT_FIRST);
    const name = format.curve(chosenState.cost, metric);
    const crossings = board.crossings.filter(
      (found) =>
        found.metric === metric && found.by === chosenState.cost && chosen.includes(found.a) && chosen.includes(found.b),
    );
    const rows = chosen.flatMap((place) =>
      steps(board.entries[place], metric, field).map(({ k, budget, interval }) => [
        line(nameOf(board.entries[place])),
        String(k),
        format.cost(chosenState.cost, budget),
        format.score(interval),
      ]),
    );
    const counted = isTotal ? " Costs are in total: programs, tests that the plan counts on, and ranking." : "";
    const lasting = chosen.some((place) => board.entries[place].curve.lasts)
      ? " A cascade or a greedy arm is one point, whose score holds at every larger budget."
      : "";
    const { made, plot } = plots.figure(
      `${name} of ${chosen.map((place) => line(nameOf(board.entries[place]))).join(", ")}.`,
      "A line steps up where the budget buys another number of samples that was looked at, and ends with the arm's samples. " +
        `Bands are 95 % intervals over tasks. A diamond marks the budget from which an arm stays ahead of another.${lasting}${counted}`,
      [{ text: "Arm" }, { text: "k", number: true }, { text: "Budget", number: true }, { text: name, number: true }],
      rows,
    );
    const marked = crossingPoints(crossings, board, metric, field);
    const markOf = (crossing) => marked.find((point) => point.crossings.includes(crossing))?.mark;
    const item = (crossing) => {
      const mark = markOf(crossing);
      return element("li", {}, mark ? [element("strong", {}, mark), " "] : null, line(crossing.sentence));
    };
    const inOrder = [...crossings].sort((a, b) => (a.budget ?? Infinity) - (b.budget ?? Infinity));
    body.replaceChildren(
      element("p", { class: "lead" }, element("strong", {}, name)),
      legend(candidates, chosen, board),
      made,
      ...(isTotal ? crossingLists(inOrder, markOf, item) : [crossingFold(inOrder, item)]),
    );
    const colours = plots.theme();
    const points = new Map(chosen.map((place) => [place, steps(board.entries[place], metric, field)]));
    const largest = Math.max(...[...points.values()].flat().map(({ budget }) => budget));
    plots.draw(
      plot,
      [
        ...chosen.flatMap((place) => traces(place, board.entries[place], points.get(place), colours, largest)),
        crossingTrace(marked, board, chosenState.cost, colours),
      ],
      {
        kind: isTotal ? { ...kind, axis: `total ${kind.axis}` } : kind,
        title: `${metric === "pass_at_k" ? "pass@k" : "rank-score@k"}, share of tasks solved`,
      },
    );
  }

  codebudget.sections.curves = { render };
}
