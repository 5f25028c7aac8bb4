"use strict";

/* A study of precision: pass@k over the bytes of all tensors, with the Pareto front, the answers, and the table. */

{
  const { element, line, load, format, plots, table } = codebudget;
  const byId = (id) => document.getElementById(id);
  const body = (id) => byId(id).querySelector(".body");
  const STEPS = ["", "k", "M", "G", "T"];

  function bytes(value) {
    const step = Math.min(STEPS.length - 1, Math.max(0, Math.floor(Math.log10(value) / 3)));
    return `${Number((value / 1000 ** step).toPrecision(3))} ${STEPS[step]}B`;
  }

  const KIND = { axis: "bytes of all tensors", format: bytes };

  function fail(error) {
    byId("failure").hidden = false;
    byId("failure").textContent = `This page cannot be shown: ${error.message}`;
    throw error;
  }

  function trace(points, k, place, colours) {
    const { series, symbol } = plots.style(place);
    const colour = colours.series[series];
    const at = (point, i) => point.scores[k][i];
    const onFront = (point) => point.front.includes(Number(k));
    return {
      type: "scatter",
      mode: "markers+text",
      x: points.map((point) => point.bytes),
      y: points.map((point) => at(point, 0)),
      error_y: {
        type: "data",
        symmetric: false,
        array: points.map((point) => at(point, 2) - at(point, 0)),
        arrayminus: points.map((point) => at(point, 0) - at(point, 1)),
        color: colour,
        thickness: 1,
        width: 3,
      },
      text: points.map((point) => (onFront(point) ? plots.escapePlotly(point.label) : "")),
      textposition: "top left",
      textfont: { color: colours.text, size: 11 },
      hovertext: points.map((point) =>
        [plots.escapePlotly(point.label), format.score(point.scores[k]), bytes(point.bytes)].join("<br>"),
      ),
      hoverinfo: "text",
      marker: {
        size: 9,
        symbol: points.map((point) => (onFront(point) ? symbol : `${symbol}-open`)),
        color: colour,
        line: { width: 1.5 },
      },
      cliponaxis: false,
    };
  }

  function renderFront(data, k) {
    const score = `pass@${k}`;
    const points = [...data.points].sort((a, b) => a.bytes - b.bytes);
    const front = points.filter((point) => point.front.includes(Number(k)));
    const told = front.map((point) => `${line(point.label)} (${format.score(point.scores[k])} at ${bytes(point.bytes)})`);
    const { made, plot } = plots.figure(
      `${score} over the bytes of all tensors; on the Pareto front, smallest first: ${told.join(", ")}.`,
      "Filled, joined and named: the Pareto front, by the scores as estimated. A colour and a symbol are a model, bars 95 % " +
        "intervals over tasks; where they overlap, what is on the front may be chance.",
      [{ text: "Checkpoint" }, { text: score, number: true }, { text: "Bytes", number: true }, { text: "On the front" }],
      points.map((point) => [
        line(point.label),
        format.score(point.scores[k]),
        bytes(point.bytes),
        front.includes(point) ? "yes" : "",
      ]),
    );
    body("front").replaceChildren(made);
    const colours = plots.theme();
    const models = [...new Set(data.points.map(({ model }) => model))];
    const steps = {
      type: "scatter",
      mode: "lines",
      x: front.map((point) => point.bytes),
      y: front.map((point) => point.scores[k][0]),
      line: { shape: "hv", color: colours.accent, width: 1.5 },
      hoverinfo: "skip",
    };
    plots.draw(
      plot,
      [
        steps,
        ...models.map((model, place) =>
          trace(
            points.filter((point) => point.model === model),
            k,
            place,
            colours,
          ),
        ),
      ],
      { kind: KIND, title: score },
    );
  }

  function renderAnswers(data) {
    body("answers").replaceChildren(
      ...data.answers.flatMap(({ question, lines }) => [
        element("h3", {}, question),
        element("ul", {}, lines.map((text) => element("li", {}, line(text)))),
      ]),
    );
  }

  function percent([value, low, high]) {
    return value === null ? format.NONE : `${value.toFixed(0)} % [${low.toFixed(0)}, ${high.toFixed(0)}]`;
  }

  function renderTable(data) {
    const heads = [
      { text: "Checkpoint" },
      ...["Bytes", "Effective bits", "Perplexity", "Increase"].map((text) => ({ text, number: true })),
      { text: "Class" },
      ...data.ks.map((k) => ({ text: `pass@${k}`, number: true })),
      ...["Greedy outputs agree", "Recovery", "Seconds"].map((text) => ({ text, number: true })),
    ];
    const rows = data.points.map((point) => [
      line(point.label),
      bytes(point.bytes),
      point.bits.toFixed(3),
      point.perplexity.toFixed(3),
      point.increase.toFixed(3),
      point.recipe === "bf16" ? format.NONE : point.sensitivity,
      ...data.ks.map((k) => format.score(point.scores[k])),
      format.score(point.agreement),
      percent(point.recovery),
      point.seconds.toFixed(0),
    ]);
    body("table").replaceChildren(table("Every checkpoint, with 95 % intervals over tasks", heads, rows));
  }

  async function start() {
    const data = await load("study");
    document.title = line(data.title);
    byId("title").textContent = line(data.title);
    byId("subtitle").textContent = line(data.description);
    byId("note").textContent = line(data.note);
    let chosen = String(data.ks[0]);
    const select = element(
      "select",
      {
        name: "k",
        onchange: ({ target }) => {
          chosen = target.value;
          renderFront(data, chosen);
        },
      },
      data.ks.map((k) => element("option", { value: k }, `pass@${k}`)),
    );
    byId("choice").append(element("label", {}, "Score ", select));
    byId("choice").addEventListener("submit", (event) => event.preventDefault());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => renderFront(data, chosen));
    renderAnswers(data);
    renderTable(data);
    renderFront(data, chosen);
    document.documentElement.dataset.drawn = "1";
  }

  start().catch(fail);
}
