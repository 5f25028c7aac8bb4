"use strict";

/* Data comes as scripts, because a page that is opened from a file may not fetch. A script hands over one part by name:
   deflated JSON in base64, so that no text of a run is ever read as HTML or JavaScript. */

globalThis.codebudget = {};

{
  const nonce = document.currentScript.nonce;
  const embedded = new Map();
  const awaited = new Map();

  async function decode(base64) {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  /** Called by data scripts. */
  function receive(name, base64) {
    if (awaited.has(name)) awaited.get(name)(base64);
    else embedded.set(name, base64);
  }

  /** A part of the data by its name: the one embedded in the page, or `data/NAME.js` beside it. */
  async function load(name) {
    if (embedded.has(name)) return decode(embedded.get(name));
    const script = document.createElement("script");
    script.nonce = nonce;
    script.src = `data/${name}.js`;
    try {
      return await decode(
        await new Promise((resolve, reject) => {
          awaited.set(name, resolve);
          script.onerror = () => reject(new Error(`data/${name}.js is missing beside this page`));
          document.head.append(script);
        }),
      );
    } finally {
      awaited.delete(name);
      script.remove();
    }
  }

  /* The plot library makes its style elements itself, and the policy wants the page's nonce on them. */
  const create = document.createElement;
  document.createElement = function (name, options) {
    const element = create.call(this, name, options);
    if (String(name).toLowerCase() === "style") element.nonce = nonce;
    return element;
  };

  Object.assign(codebudget, { receive, load });
}
