// Quantities over the steps of a run, each with its own look, and the numbers of the last step beside their names.
import { chart, panel, swatch } from "../../charts.js";
import { element } from "../../elements.js";
import { number } from "../../numbers.js";

const MOST = 600; // rows, after which every other one goes

// Rows {step, name: number, ...} in their order.
export function record() {
  let rows = [];
  return {
    clear: () => (rows = []),
    add(row) {
      if (rows.at(-1)?.step === row.step) Object.assign(rows.at(-1), row);
      else rows.push(row);
      if (rows.length > MOST) rows = rows.filter((_, i) => i % 2 === 0 || i === rows.length - 1);
    },
    series(name) {
      const found = rows.filter((row) => Number.isFinite(row[name]));
      return [found.map((row) => row.step), found.map((row) => row[name])];
    },
    last: (name) => rows.findLast((row) => row[name] !== undefined && row[name] !== null)?.[name],
    get end() { return rows.at(-1)?.step ?? 0; },
  };
}

// An interval that holds nearly all of the values, all but a `share` at each end, and all of the levels.
export function range(values, levels, share = 0.02) {
  const sorted = [...values].sort((a, b) => a - b), at = (place) => sorted[Math.round(place * (sorted.length - 1))];
  const all = [...(sorted.length ? [at(share), at(1 - share)] : []), ...levels.filter(Number.isFinite)];
  if (!all.length) return [0, 1];
  const low = Math.min(...all), high = Math.max(...all), room = 0.08 * (high - low) || 0.1;
  return [low - room, high + room];
}

// `lines`: [{name, words, colour, dash, level}]: a series of the record by its name, or a level(); words may be a node.
export function historyChart(rows, title, lines) {
  const outputs = lines.map(() => element("output", {}));
  const items = lines.map(({ colour, dash = [], words }, i) => element("li", {}, swatch(colour, { dash: dash.join(" ") }), element("span", {}, words), outputs[i]));
  const key = element("ul", { class: "gn-legend" }, ...items);
  const height = (width) => (width < 200 ? 92 : 112);
  const graph = chart(height, (context, width, ink) => {
    const series = lines.map(({ name, level }) => (level ? [[], []] : rows.series(name)));
    const levels = lines.filter(({ level }) => level).map(({ level }) => level());
    // A best critic's value may be a thousand times as large at first: of it, the last number counts.
    const ends = lines.flatMap(({ wild }, i) => (wild ? series[i][1].slice(-1) : []));
    const y = range(series.flatMap(([, v], i) => (lines[i].wild ? [] : v)), [...levels, ...ends]);
    const box = { left: 46, right: width - 16, top: 6, bottom: height(width) - 20, x: [0, Math.max(200, rows.end)], y };
    const plot = panel(context, ink, box);
    plot.frame({ zero: false });
    lines.forEach(({ level, colour, dash = [], width: thick = 1.75 }, i) => {
      const [xs, values] = level ? [box.x, [level(), level()]] : series[i];
      if (!level && values.length === 1) plot.dots([xs[0], values[0]], colour, { radius: 2.5 });
      else if (Number.isFinite(values[0])) plot.line(xs, values, colour, thick, dash);
    });
  });
  graph.canvas.setAttribute("aria-label", title);
  const say = (v) => (v === undefined || v === null ? "" : Number.isFinite(v) ? number(v, 2) : "\u221e");
  const values = () => lines.map(({ name, level }) => (level ? level() : rows.last(name)));
  const show = () => {
    const now = values();
    outputs.forEach((output, i) => (output.value = say(now[i])));
    items.forEach((item, i) => (item.hidden = lines[i].level && !say(now[i]))); // a floor that this game does not have
    const spoken = lines.map(({ words, spoken: heard }, i) => (say(now[i]) ? `${heard ?? words} ${say(now[i])}` : "")).filter(Boolean);
    graph.canvas.setAttribute("aria-label", `${title}. ${spoken.join("; ")}.`);
    graph.paint();
  };
  return { node: element("div", { class: "gn-history" }, key, graph.stage), show, stop: graph.stop };
}
