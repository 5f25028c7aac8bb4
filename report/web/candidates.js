"use strict";

/* The samples of one arm for one task: verdicts, ranks by every ranker, and the texts, shown but never run. */

{
  const { element, line, visible, format, state, load } = codebudget;

  const held = { file: null, part: null };

  /** Ranks of scores, higher first, as `3` or, where equal ones share them, `3–7`. */
  function ranksOf(scores) {
    return scores.map((score) => {
      if (score === null) return format.NONE;
      const above = scores.filter((other) => other !== null && other > score).length;
      const equal = scores.filter((other) => other === score).length;
      return equal > 1 ? `${above + 1}–${above + equal}` : String(above + 1);
    });
  }

  function verdict(sample) {
    if (sample.status === null) return element("span", { class: "verdict" }, "not graded");
    const passed = sample.status === "passed";
    return element(
      "span",
      { class: `verdict ${passed ? "passed" : "failed"}` },
      `${passed ? "✓" : "✗"} ${line(sample.status).replace("_", " ")}`,
    );
  }

  function listOf(part, chosen, order) {
    const rankers = Object.keys(part.scores);
    const ranks = Object.fromEntries(rankers.map((name) => [name, ranksOf(part.scores[name])]));
    const places = part.samples.map((_, place) => place);
    if (order in part.scores) {
      const key = (place) => part.scores[order][place] ?? -Infinity;
      places.sort((a, b) => (key(b) === key(a) ? a - b : key(b) - key(a)));
    }
    return element(
      "table",
      { class: "samples" },
      element("caption", {}, `${part.samples.length} samples: verdict, and rank by each ranker`),
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          element("th", { scope: "col" }, "Sample"),
          element("th", { scope: "col" }, "Verdict"),
          rankers.map((name) => element("th", { scope: "col", class: "number" }, line(name))),
        ),
      ),
      element(
        "tbody",
        {},
        places.map((place) => {
          const sample = part.samples[place];
          const current = sample.index === chosen.index;
          return element(
            "tr",
            { "aria-current": current ? "true" : null },
            element(
              "th",
              { scope: "row" },
              element(
                "button",
                { type: "button", class: "plain", onclick: () => show(sample.index) },
                String(sample.index),
              ),
            ),
            element("td", {}, verdict(sample)),
            rankers.map((name) => element("td", { class: "number" }, ranks[name][place])),
          );
        }),
      ),
    );
  }

  function show(index) {
    state.change({ sample: String(index) });
    document.querySelector('#candidates tr[aria-current="true"] button')?.focus({ preventScroll: true });
  }

  function facts(sample) {
    const tests = sample.tests === null ? null : `${sample.tests[0] ?? "?"} of ${sample.tests[1]} held`;
    const pairs = [
      ["Verdict", verdict(sample)],
      ["Tests", tests],
      ["Isolation", sample.integrity === "shared" ? "shared with the tests" : sample.integrity],
      ["Detail", sample.detail ? line(sample.detail) : null],
      ["Seed", sample.seed],
      ["Setting", sample.stratum ? line(sample.stratum) : null],
      ["Ended by", sample.finish === "length" ? "the limit of tokens" : sample.finish === "stop" ? "itself" : null],
      ["Tokens", sample.tokens],
    ].filter(([, value]) => value !== null && value !== undefined);
    return element(
      "dl",
      { class: "facts" },
      pairs.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value instanceof Node ? value : String(value)))),
    );
  }

  function text(label, content, open) {
    return element(
      "details",
      { open },
      element("summary", {}, label),
      element("pre", { tabindex: "0", "aria-label": label, dir: "ltr" }, element("code", {}, visible(content))),
    );
  }

  function detail(sample) {
    return element(
      "article",
      { class: "sample", "aria-label": `Sample ${sample.index}` },
      element("h3", {}, `Sample ${sample.index}`),
      facts(sample),
      text("Program that was run", sample.program, true),
      text("Raw text of the model", sample.raw, false),
      sample.prompt === null ? null : text("Prompt, where not the benchmark's", sample.prompt, false),
    );
  }

  function pick(name, label, options, chosen) {
    return element(
      "label",
      {},
      element("span", {}, label),
      element(
        "select",
        { onchange: ({ target }) => state.change({ [name]: target.value, sample: null }) },
        options.map(([value, content]) => element("option", { value, selected: value === chosen }, content)),
      ),
    );
  }

  async function render(body, view) {
    const { board, state: given, shown } = view;
    const entries = shown.map((place) => board.entries[place]).filter((entry) => entry.candidates);
    const entry = entries.find(({ id }) => id === given.arm) ?? entries[0];
    const tasks = board.tasks.map((name, place) => [name, place]).filter(([, place]) => entry.drawn[place]);
    const [task, place] = tasks.find(([name]) => name === given.task) ?? tasks[0];
    const file = `${entry.candidates}/${place}`;
    if (held.file !== file) {
      const part = await load(file);
      if (codebudget.current !== view) return;
      Object.assign(held, { file, part });
    }
    const { part } = held;
    const sample = part.samples.find(({ index }) => String(index) === given.sample) ?? part.samples[0];
    const rankers = Object.keys(part.scores);
    const scrolled = body.querySelector(".list")?.scrollTop ?? 0;
    body.replaceChildren(
      element(
        "div",
        { class: "filters bare" },
        pick("arm", "Arm", entries.map(({ id, name }) => [id, line(name)]), entry.id),
        pick("task", "Task", tasks.map(([name]) => [name, line(name)]), task),
        pick("by", "Order", [["", "as drawn"], ...rankers.map((name) => [name, `by ${line(name)}`])], given.by ?? ""),
      ),
      element(
        "p",
        { class: "quiet" },
        `${entry.passed[place]} of ${entry.drawn[place]} samples pass. What cannot be seen in a text stands in it as a marked escape.`,
      ),
      element(
        "div",
        { class: "viewer" },
        element("div", { class: "scroll list", role: "region", "aria-label": "Samples", tabindex: "0" }, listOf(part, sample, given.by)),
        detail(sample),
      ),
    );
    body.querySelector(".list").scrollTop = scrolled;
  }

  const has = ({ board, shown }) => shown.some((place) => board.entries[place].candidates);

  codebudget.sections.candidates = { render, has, lazy: true };
}
