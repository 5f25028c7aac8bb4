"use strict";

/* What is looked at: the benchmark, the score, the filters, the candidate. It lives in the URL's hash, so that a view
   can be kept, shared and gone back to. */

{
  const LISTS = ["size", "precision", "run", "curve"];

  /** The hash as an object: texts by name, and arrays of texts for `LISTS` (empty: no choice made). */
  function read() {
    const given = new URLSearchParams(location.hash.slice(1));
    const state = Object.fromEntries(given);
    for (const name of LISTS) state[name] = given.getAll(name);
    return state;
  }

  /** Changes some of the hash; null or an empty list takes a name out. Pushes a step of history where `step` is set. */
  function change(changes, { step = false } = {}) {
    const next = new URLSearchParams(location.hash.slice(1));
    for (const [name, value] of Object.entries(changes)) {
      next.delete(name);
      if (Array.isArray(value)) value.forEach((item) => next.append(name, item));
      else if (value !== null && value !== "") next.set(name, value);
    }
    const hash = `#${next}`;
    if (hash === location.hash) return;
    history[step ? "pushState" : "replaceState"](null, "", hash);
    dispatchEvent(new Event("hashchange"));
  }

  codebudget.state = { read, change };
}
