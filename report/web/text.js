"use strict";

/* Everything of a run is hostile text: it becomes text nodes, and what would not be seen, or would move what is seen,
   becomes visible: control characters, escapes of terminals, overrides of direction, lone halves of pairs. */

{
  const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0]/u;
  const UNSEEN_EACH = new RegExp(UNSEEN.source, "gu");

  function escaped(character) {
    const code = character.codePointAt(0);
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
    return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\u{${code.toString(16)}}`;
  }

  /** One line for a name or a detail: whatever is not seen is escaped. */
  function line(text) {
    return String(text).replace(UNSEEN_EACH, escaped);
  }

  /** Text with its lines kept, as nodes; escapes are marked as such. */
  function visible(text) {
    const fragment = document.createDocumentFragment();
    let start = 0;
    for (const match of text.matchAll(UNSEEN_EACH)) {
      if (match[0] === "\n" || match[0] === "\t") continue;
      fragment.append(text.slice(start, match.index));
      const mark = document.createElement("mark");
      mark.textContent = escaped(match[0]);
      fragment.append(mark);
      start = match.index + match[0].length;
    }
    fragment.append(text.slice(start));
    return fragment;
  }

  /** An element. Attributes that are true, false or null are set bare or left out; `onclick` and the like listen. */
  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value === true) made.setAttribute(key, "");
      else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
    }
    made.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return made;
  }

  /** A table: a caption, heads ({text, title, number}), and rows of nodes or texts, the first of which is a head too. */
  function table(caption, heads, rows) {
    const cell = (child, place) =>
      place === 0
        ? element("th", { scope: "row" }, child)
        : element("td", { class: heads[place].number ? "number" : null }, child);
    return element(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
      element(
        "table",
        {},
        element("caption", {}, caption),
        element(
          "thead",
          {},
          element(
            "tr",
            {},
            heads.map((head) =>
              element("th", { scope: "col", class: head.number ? "number" : null, title: head.title }, head.text),
            ),
          ),
        ),
        element(
          "tbody",
          {},
          rows.map((row) => element("tr", {}, row.map(cell))),
        ),
      ),
    );
  }

  Object.assign(codebudget, { line, visible, element, table });
}
