"use strict";

/* Numbers for people: no more digits than an interval supports, and units that need no exponent. */

{
  const PREFIXES = ["", "k", "M", "G", "T", "P", "E", "Z"];
  const NONE = "–";

  function significant(value, digits = 3) {
    return String(Number(value.toPrecision(digits)));
  }

  function prefixed(value) {
    if (value <= 0) return "0 ";
    const step = Math.max(0, Math.min(PREFIXES.length - 1, Math.floor(Math.log10(value) / 3)));
    return `${significant(value / 1000 ** step)} ${PREFIXES[step]}`;
  }

  function seconds(value) {
    if (value >= 7200) return `${significant(value / 3600)} h`;
    if (value >= 120) return `${significant(value / 60)} min`;
    return value >= 0.1 || value === 0 ? `${significant(value)} s` : `${significant(value * 1000)} ms`;
  }

  /** What limits an arm, in the order in which people ask. `field` is its name in a cost. */
  const KINDS = {
    flops: { field: "flops", name: "FLOPs", axis: "FLOPs per task", suffix: "flops@f", format: (v) => `${prefixed(v)}FLOPs` },
    runtime: { field: "runtime_s", name: "time", axis: "seconds per task", suffix: "time@t", format: seconds },
    memory: {
      field: "memory_bytes",
      name: "memory",
      axis: "memory",
      unit: 2 ** 30,
      suffix: "memory@m",
      format: (v) => `${significant(v / 2 ** 30)} GiB`,
    },
    usd: { field: "usd", name: "dollars", axis: "dollars per task", suffix: "usd@d", format: (v) => `$${significant(v)}` },
  };

  function cost(kind, value) {
    return value === null || value === undefined ? NONE : KINDS[kind].format(value);
  }

  /** What an arm costs if a metric picks, by a kind: FLOPs in total, ranking and tests included, where they are known. */
  function costOf(entry, metric, kind) {
    const total = kind === "flops" ? entry.totals?.[metric] : null;
    return total ?? entry.cost[KINDS[kind].field];
  }

  /** Whole per cents where the interval is wider than that, as it is for a few hundred tasks. */
  function decimals([, low, high]) {
    return high - low < 0.02 ? 1 : 0;
  }

  function percent(value, digits = 0) {
    return (100 * value).toFixed(digits);
  }

  /** `61 % [55, 67]`, or a dash where a score is undefined. */
  function score(interval) {
    if (!interval || interval[0] === null) return NONE;
    const [value, low, high] = interval;
    const digits = decimals(interval);
    return `${percent(value, digits)} % [${percent(low, digits)}, ${percent(high, digits)}]`;
  }

  /** A difference in points: `-4 [-9, +1]`. */
  function difference([value, low, high]) {
    const digits = decimals([value, low, high]);
    const signed = (x) => {
      const text = percent(Math.abs(x), digits);
      return Number(text) === 0 ? text : `${x < 0 ? "−" : "+"}${text}`;
    };
    return `${signed(value)} [${signed(low)}, ${signed(high)}]`;
  }

  function parameters(count) {
    return count === null ? NONE : prefixed(count).trimEnd().replace(" G", " B").replace(" k", " K");
  }

  function metric(name) {
    return name === "pass_at_k" ? "pass@k" : codebudget.line(name);
  }

  /** What a score over budgets is called (Hassid et al. 2024, equations 2, 3, 5 and 6). */
  function curve(kind, name) {
    const { suffix } = KINDS[kind];
    return name === "pass_at_k" ? `pass_${suffix}` : `rank-score_${suffix} by ${metric(name)}`;
  }

  codebudget.format = { NONE, KINDS, cost, costOf, score, percent, difference, parameters, metric, curve };
}
