"use strict";

/* What made each run, what was left out, and what a reader must know. */

{
  const { element, line } = codebudget;

  function facts(pairs) {
    return element(
      "dl",
      { class: "facts" },
      pairs.map(([name, value]) => element("div", {}, element("dt", {}, line(name)), element("dd", {}, line(value)))),
    );
  }

  function list(heading, texts) {
    return texts.length
      ? [element("h3", {}, heading), element("ul", {}, texts.map((text) => element("li", {}, line(text))))]
      : [];
  }

  function one(run, place, board, open) {
    const part = board.runs.find((found) => found.run === place);
    return element(
      "details",
      { open, class: "run" },
      element("summary", {}, element("bdi", {}, line(run.name))),
      run.description ? element("p", {}, line(run.description)) : null,
      facts(run.facts),
      part ? [...list("Advice", part.advice), ...list("To know", part.warnings), ...list("Left out", part.left_out)] : [],
    );
  }

  function render(body, view) {
    const { index, board, shown } = view;
    const places = [...new Set(shown.map((place) => board.entries[place].run))];
    body.replaceChildren(
      index.note ? element("p", { class: "lead" }, index.note) : "",
      ...places.map((place) => one(index.runs[place], place, board, places.length === 1)),
    );
  }

  codebudget.sections.runs = { render };
}
