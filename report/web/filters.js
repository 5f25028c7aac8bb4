"use strict";

/* The form above the sections. Every control has its name in the hash. */

{
  const { element, line, format, state } = codebudget;

  function select(name, label, options, chosen) {
    const made = element(
      "select",
      { name },
      options.map(([value, text]) => element("option", { value, selected: value === chosen }, text)),
    );
    return element("label", {}, element("span", {}, label), made);
  }

  function checks(name, legend, options, chosen) {
    return element(
      "fieldset",
      {},
      element("legend", {}, legend),
      options.map(([value, text]) =>
        element(
          "label",
          { class: "check" },
          element("input", { type: "checkbox", name, value, checked: chosen.length === 0 || chosen.includes(value) }),
          text,
        ),
      ),
    );
  }

  const distinct = (values) => [...new Set(values)];

  /** The kinds of budget by which some arm was limited, and the kinds of cost that some arm has. */
  function kinds(board) {
    const all = Object.keys(format.KINDS);
    return {
      limited: all.filter((kind) => board.entries.some((entry) => entry.kinds.includes(kind))),
      costed: all.filter((kind) => board.entries.some((entry) => entry.cost[format.KINDS[kind].field] !== null)),
    };
  }

  /** What the hash leaves open, filled in for this board. */
  function complete(given, index, board) {
    const { limited, costed } = kinds(board);
    const one = (value, options, fallback) => (options.includes(value) ? value : fallback);
    return {
      ...given,
      benchmark: String(index.benchmarks.findIndex((benchmark) => benchmark.file === board.file)),
      score: one(given.score, board.metrics, "pass_at_k"),
      budget: one(given.budget, limited, ""),
      cost: one(given.cost, costed, costed[0] ?? "flops"),
    };
  }

  /** Places of the entries that the filters let through. */
  function shown(view) {
    const { board, state: chosen } = view;
    const passes = (list, value) => list.length === 0 || list.includes(value);
    return board.entries
      .map((_, place) => place)
      .filter((place) => {
        const entry = board.entries[place];
        return (
          (!chosen.budget || entry.kinds.includes(chosen.budget)) &&
          passes(chosen.size, String(entry.parameters)) &&
          passes(chosen.precision, entry.precision) &&
          passes(chosen.run, view.index.runs[entry.run].id)
        );
      });
  }

  /** Sets the controls to what is chosen. They stay the same elements, so that typing in one of them goes on. */
  function sync(form, chosen) {
    for (const control of form.elements) {
      if (control.type === "checkbox") {
        control.checked = !chosen[control.name].length || chosen[control.name].includes(control.value);
      } else if (control.name) control.value = chosen[control.name];
    }
  }

  /** Makes the controls of a board. */
  function make(form, view) {
    const { index, board, state: chosen } = view;
    const { limited, costed } = kinds(board);
    const sizes = distinct(board.entries.map((entry) => entry.parameters)).sort((a, b) => a - b);
    const precisions = distinct(board.entries.map((entry) => entry.precision)).sort();
    const runs = distinct(board.entries.map((entry) => entry.run));
    const named = (kind) => [kind, format.KINDS[kind].name];
    const more = [
      sizes.length > 1 ? checks("size", "Size", sizes.map((n) => [String(n), format.parameters(n)]), chosen.size) : null,
      precisions.length > 1
        ? checks("precision", "Precision", precisions.map((name) => [name, line(name)]), chosen.precision)
        : null,
      runs.length > 1
        ? checks("run", "Run", runs.map((run) => [index.runs[run].id, line(index.runs[run].name)]), chosen.run)
        : null,
    ].filter((group) => group !== null);
    form.replaceChildren(
      ...[
        select("benchmark", "Benchmark", index.benchmarks.map(({ name }, i) => [String(i), line(name)]), chosen.benchmark),
        select(
          "score",
          "Score",
          board.metrics.map((name) => [name, name === "pass_at_k" ? "pass@k, tests at hand" : `picked by ${line(name)}`]),
          chosen.score,
        ),
        limited.length
          ? select("budget", "Budget", [["", "any"], ...limited.map((kind) => [kind, `same ${named(kind)[1]}`])], chosen.budget)
          : null,
        costed.length > 1 ? select("cost", "Cost in", costed.map(named), chosen.cost) : null,
        more.length
          ? element("details", { class: "more" }, element("summary", {}, "More filters"), element("div", {}, more))
          : null,
        element("button", { type: "reset", class: "plain" }, "Reset"),
      ].filter((control) => control !== null),
    );
  }

  function fill(form, view) {
    if (form.dataset.board === view.board.file) return sync(form, view.state);
    form.dataset.board = view.board.file;
    return make(form, view);
  }

  /** Listens once. A list of checks that are all set is no choice at all, and leaves the hash. */
  function listen(form) {
    form.addEventListener("change", ({ target }) => {
      if (target.type === "checkbox") {
        const boxes = [...form.querySelectorAll(`input[name="${target.name}"]`)];
        const set = boxes.filter((box) => box.checked);
        if (set.length === 0) {
          target.checked = true;
          return;
        }
        state.change({ [target.name]: set.length === boxes.length ? [] : set.map((box) => box.value) });
      } else if (target.name === "benchmark") {
        state.change({ benchmark: target.value, size: [], precision: [], curve: [], arm: null, task: null, sample: null });
      } else {
        state.change({ [target.name]: target.value });
      }
    });
    form.addEventListener("reset", (event) => {
      event.preventDefault();
      state.change({ score: null, budget: null, cost: null, size: [], precision: [], run: [], curve: [] });
    });
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  codebudget.filters = { fill, listen, complete, shown };
}
