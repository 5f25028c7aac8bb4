"use strict";

/* Reads the hash, loads what it names, and has every section draw itself. Sections that are long to draw wait until they
   come near the window, or until the page is printed. */

{
  const { element, line, load, state, filters, sections, rankArms } = codebudget;
  /* Choices that only one section looks at. */
  const OWN = { curves: ["curve"], tasks: ["order"], candidates: ["arm", "task", "sample", "by"] };

  const boards = new Map();
  let drawn = null;
  const waiting = new Set();
  const byId = (id) => document.getElementById(id);

  function fail(error) {
    byId("failure").hidden = false;
    byId("failure").textContent = `This page cannot be shown: ${error.message}`;
    throw error;
  }

  async function draw(id, view) {
    const section = byId(id);
    waiting.delete(id);
    section.hidden = !(sections[id].has?.(view) ?? true);
    byId("contents").querySelector(`a[href="#${id}"]`).hidden = section.hidden;
    if (!section.hidden) await sections[id].render(section.querySelector(".body"), view);
  }

  const nearby = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (isIntersecting && waiting.has(target.id)) draw(target.id, codebudget.current).catch(fail);
      }
    },
    { rootMargin: "800px" },
  );

  function head(index, board, view) {
    document.title = line(index.title);
    byId("title").textContent = line(index.title);
    const benchmarks = index.benchmarks.filter(({ mean }) => !mean);
    const arms = benchmarks.reduce((sum, { arms: count }) => sum + count, 0);
    const plural = (count, name) => `${count} ${name}${count === 1 ? "" : "s"}`;
    byId("subtitle").textContent = [
      plural(index.runs.length, "run"),
      plural(arms, "arm"),
      plural(benchmarks.length, "benchmark"),
    ].join(" · ");
    byId("shown").textContent = `${line(board.name)}: ${view.shown.length} of ${plural(board.entries.length, "arm")} shown`;
    const advice = board.runs.length === 1 ? board.runs[0].advice : [];
    byId("advice").replaceChildren(...advice.map((text) => element("p", { class: "advice" }, line(text))));
    const headlines = board.runs.length === 1 ? (board.runs[0].headlines ?? []) : [];
    byId("headline").replaceChildren(...headlines.map(headline));
  }

  /** An effect in short, largest what matters most. */
  function headline({ figure, interval, words }) {
    return element(
      "p",
      { class: "headline" },
      element("strong", {}, line(figure)),
      " ",
      element("span", { class: "quiet" }, line(interval)),
      element("span", { class: "words" }, line(words)),
    );
  }

  /** The sections that a change of the hash concerns; all of them where it is not one section's own matter. */
  function concerned(before, after) {
    const changed = Object.keys({ ...before, ...after }).filter((key) => String(before?.[key]) !== String(after[key]));
    const owners = changed.map((key) => Object.keys(OWN).find((id) => OWN[id].includes(key)));
    return changed.length && owners.every((id) => id) ? new Set(owners) : null;
  }

  /** Draws the sections that a change concerns: those at hand now, the long ones when they come near. */
  async function render({ all = false } = {}) {
    const index = boards.get("index");
    const given = state.read();
    const only = all || !codebudget.current ? null : concerned(drawn, given);
    drawn = given;
    const { file } = index.benchmarks[given.benchmark] ?? index.benchmarks[0];
    if (!boards.has(file)) boards.set(file, { ...(await load(file)), file });
    const board = boards.get(file);
    const view = { index, board, state: filters.complete(given, index, board) };
    view.shown = filters.shown(view);
    view.ranking = rankArms(board, view.state.score, view.shown);
    codebudget.current = view;
    if (!only) {
      head(index, board, view);
      filters.fill(byId("filters"), view);
    }
    for (const [id, { lazy }] of Object.entries(sections)) {
      if (only && !only.has(id)) continue;
      /* A later view has begun to be drawn. */
      if (codebudget.current !== view) return;
      const section = byId(id);
      const { top, bottom } = section.getBoundingClientRect();
      if (all || !lazy || section.hidden || !sections[id].has(view) || (top < innerHeight + 800 && bottom > -800)) await draw(id, view);
      else waiting.add(id);
    }
    document.documentElement.dataset.drawn = String(Number(document.documentElement.dataset.drawn ?? 0) + 1);
  }

  /** Keeps the focus on a control whose form is drawn anew. */
  function refocused(work) {
    const { name, value, type } = document.activeElement ?? {};
    return work().then(() => {
      if (!name || document.activeElement !== document.body) return;
      const same = [...byId("filters").querySelectorAll(`[name="${name}"]`)];
      (type === "checkbox" ? same.find((box) => box.value === value) : same[0])?.focus({ preventScroll: true });
    });
  }

  function contents() {
    byId("contents").replaceChildren(
      ...[...document.querySelectorAll("main section")].map(({ id }) =>
        element("a", { href: `#${id}`, onclick: (event) => jump(event, id) }, byId(`${id}-heading`).textContent),
      ),
    );
  }

  /** The hash holds the view, so that a jump within the page leaves it alone. */
  function jump(event, id) {
    event.preventDefault();
    byId(id).scrollIntoView();
    byId(`${id}-heading`).setAttribute("tabindex", "-1");
    byId(`${id}-heading`).focus({ preventScroll: true });
  }

  async function start() {
    boards.set("index", await load("index"));
    contents();
    filters.listen(byId("filters"));
    document.querySelector(".skip").addEventListener("click", (event) => jump(event, "ranking"));
    addEventListener("hashchange", () => refocused(render).catch(fail));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => render().catch(fail));
    /* Paper is white and narrow, and has no window that a long section could come near to. */
    addEventListener("beforeprint", () => {
      document.documentElement.dataset.printing = "";
      render({ all: true }).catch(fail);
    });
    addEventListener("afterprint", () => {
      delete document.documentElement.dataset.printing;
      render().catch(fail);
    });
    await render();
    for (const section of document.querySelectorAll("main section")) nearby.observe(section);
  }

  start().catch(fail);
}
