"use strict";

/* One way to draw: Plotly in the page's colours, with a description for those who do not see it and the data as a table
   below it. Names are escaped, since Plotly reads a little HTML in its texts. */

{
  const { element, table } = codebudget;
  const DASHES = ["solid", "dash", "dot", "dashdot"];
  const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "star"];
  const COLOURS = 8;

  function escapePlotly(text) {
    return codebudget.line(text).replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);
  }

  function theme() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    return {
      text: read("text"),
      quiet: read("quiet"),
      line: read("line"),
      accent: read("accent"),
      page: read("page"),
      series: Array.from({ length: COLOURS }, (_, i) => read(`series-${i}`)),
    };
  }

  /** Colour, dash and symbol of an entry: the same in every plot, and never told by colour alone. */
  function style(place) {
    const turn = Math.floor(place / COLOURS);
    return {
      series: place % COLOURS,
      dash: DASHES[(place + turn) % DASHES.length],
      symbol: SYMBOLS[(place + turn) % SYMBOLS.length],
    };
  }

  function faded(colour, alpha) {
    const [red, green, blue] = [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
    return `rgba(${red}, ${green}, ${blue}, ${alpha})`;
  }

  /** A figure: what it shows in words, the plot, and its data as a table that can be opened. */
  function figure(description, caption, heads, rows) {
    const plot = element("div", { class: "plot", role: "img", "aria-label": description });
    const made = element(
      "figure",
      {},
      plot,
      element("figcaption", {}, caption),
      element("details", { class: "data" }, element("summary", {}, "The plot as a table"), table(description, heads, rows)),
    );
    return { made, plot };
  }

  /** The ends of a logarithmic axis, with room for what is written beside the outermost points. */
  function reach(traces) {
    const logs = traces.flatMap(({ x }) => x.map(Math.log10));
    const [low, high] = [Math.min(...logs), Math.max(...logs)];
    const room = 0.08 * Math.max(high - low, 0.5);
    return [low - room, high + room];
  }

  /** Ticks at 1, 2 and 5 in every decade, at decades alone where there are many, or at more where there is none. */
  function ticks([low, high], kind, few) {
    const unit = kind.unit ?? 1;
    const wide = few ? 1.2 : 3;
    const steps = high - low > wide ? [1] : high - low > 0.8 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
    const tickvals = [];
    for (let decade = Math.floor(low - Math.log10(unit)); decade <= high - Math.log10(unit); decade += 1) {
      tickvals.push(...steps.map((step) => step * 10 ** decade * unit));
    }
    return { tickvals, ticktext: tickvals.map((value) => kind.format(value).replace("FLOPs", "").trim()) };
  }

  /** Draws into an element that is in the page, over a kind of cost; scores are shares of tasks. */
  function draw(plot, traces, { kind, title }) {
    const colours = theme();
    const grid = { gridcolor: colours.line, linecolor: colours.line, zeroline: false, tickcolor: colours.line };
    const font = { family: getComputedStyle(document.body).fontFamily, size: 13, color: colours.text };
    const narrow = plot.clientWidth < 500;
    Plotly.react(
      plot,
      traces,
      {
        font,
        autosize: true,
        height: narrow ? 320 : 420,
        margin: { l: 64, r: 8, t: 12, b: 56 },
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        showlegend: false,
        hovermode: "closest",
        hoverlabel: { bgcolor: colours.page, bordercolor: colours.line, font, align: "left" },
        dragmode: false,
        xaxis: {
          ...grid,
          type: "log",
          range: reach(traces),
          title: { text: kind.axis, standoff: 12 },
          ...ticks(reach(traces), kind, narrow),
        },
        yaxis: { ...grid, title: { text: title, standoff: 12 }, tickformat: ".0%" },
      },
      { displayModeBar: false, responsive: true, scrollZoom: false },
    );
  }

  codebudget.plots = { draw, figure, style, faded, theme, escapePlotly };
}
