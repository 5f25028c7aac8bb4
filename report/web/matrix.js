"use strict";

/* Tasks by arms: which tasks an arm solves. One stop in the order of tabs; arrow keys walk, Enter opens a cell. */

{
  const { element, line, format, state } = codebudget;
  const ORDERS = { benchmark: "the benchmark's order", hardest: "hardest first", apart: "arms most apart first" };

  function valuesOf(entry, metric) {
    return metric === "pass_at_k" ? entry.picked.pass_at_k : entry.picked[metric];
  }

  function ordered(board, places, metric, order) {
    const tasks = board.tasks.map((_, task) => task);
    if (order === "benchmark") return tasks;
    const known = (task) =>
      places.map((place) => valuesOf(board.entries[place], metric)[task]).filter((value) => value !== null);
    const key = (task) => {
      const values = known(task);
      if (!values.length) return 2;
      if (order === "apart") return Math.min(...values) - Math.max(...values);
      return values.reduce((sum, value) => sum + value, 0) / values.length;
    };
    const keys = tasks.map(key);
    return tasks.sort((a, b) => keys[a] - keys[b] || a - b);
  }

  function walk(grid, event) {
    const cell = event.target.closest("td");
    if (!cell) return;
    const row = cell.parentElement;
    const at = [...row.children].indexOf(cell);
    const page = 10;
    const rowAt = (offset) => {
      const rows = grid.tBodies[0].rows;
      return rows[Math.max(0, Math.min(rows.length - 1, row.sectionRowIndex + offset))].children[at];
    };
    const targets = {
      ArrowRight: () => cell.nextElementSibling,
      ArrowLeft: () => (at > 1 ? cell.previousElementSibling : null),
      ArrowDown: () => rowAt(1),
      ArrowUp: () => rowAt(-1),
      PageDown: () => rowAt(page),
      PageUp: () => rowAt(-page),
      Home: () => row.children[1],
      End: () => row.lastElementChild,
    };
    const next = targets[event.key]?.();
    if (event.key in targets) event.preventDefault();
    if (!next) return;
    grid.querySelector('td[tabindex="0"]')?.setAttribute("tabindex", "-1");
    next.tabIndex = 0;
    next.focus();
  }

  function open(board, event) {
    const cell = event.target.closest("td[data-arm]");
    if (!cell) return;
    state.change({ arm: cell.dataset.arm, task: cell.dataset.task, sample: null }, { step: true });
    document.getElementById("candidates-heading").scrollIntoView();
    document.querySelector("#candidates select")?.focus({ preventScroll: true });
  }

  /** Ten shades of one hue; the number is there too. */
  function cell(value, entry, task) {
    if (value === null) return element("td", { tabindex: "-1", class: "none" }, format.NONE);
    return element(
      "td",
      {
        tabindex: "-1",
        class: `shade-${Math.round(value * 10)}`,
        "data-arm": entry.candidates ? entry.id : null,
        "data-task": entry.candidates ? task : null,
      },
      format.percent(value),
    );
  }

  function render(body, view) {
    const { board, state: chosen, ranking } = view;
    const metric = chosen.score;
    const places = ranking.map(({ place }) => place).filter((place) => valuesOf(board.entries[place], metric));
    const order = chosen.order in ORDERS ? chosen.order : "benchmark";
    const entries = places.map((place) => board.entries[place]);
    const columns = entries.map((entry) => valuesOf(entry, metric));
    const rows = element("tbody");
    for (const task of ordered(board, places, metric, order)) {
      const name = board.tasks[task];
      rows.append(
        element(
          "tr",
          {},
          element("th", { scope: "row" }, element("bdi", {}, line(name))),
          columns.map((column, i) => cell(column[task], entries[i], name)),
        ),
      );
    }
    rows.rows[0].cells[1].tabIndex = 0;
    const grid = element(
      "table",
      {
        role: "grid",
        class: "matrix",
        onkeydown: (event) => (event.key === "Enter" ? open(board, event) : walk(grid, event)),
        onclick: (event) => open(board, event),
      },
      element("caption", {}, `${format.metric(metric)} of each task, per cent`),
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          element("th", { scope: "col" }, "Task"),
          entries.map((entry) =>
            element("th", { scope: "col" }, element("span", { title: line(entry.name) }, line(entry.name))),
          ),
        ),
      ),
      rows,
    );
    body.replaceChildren(
      element(
        "label",
        { class: "inline" },
        "Order: ",
        element(
          "select",
          { onchange: ({ target }) => state.change({ order: target.value }) },
          Object.entries(ORDERS).map(([value, text]) => element("option", { value, selected: value === order }, text)),
        ),
      ),
      element(
        "p",
        { class: "quiet", id: "matrix-help" },
        "Arrow keys walk through the cells; a click or Enter opens the candidates of a cell.",
      ),
      element("div", { class: "scroll tall", role: "region", "aria-label": "Task by task" }, grid),
    );
  }

  const has = ({ board, ranking, state: { score } }) =>
    board.tasks.length > 0 && ranking.some(({ place }) => valuesOf(board.entries[place], score));

  codebudget.sections.tasks = { render, has, lazy: true };
}
