// The controls of a figure that trains: what each setting is called, and what it may be.
import { check, select, slider } from "../../controls.js";
import { element } from "../../elements.js";
import { number } from "../../numbers.js";
import { BOUNDS } from "./values.js";

const symbolic = (letter, index) => element("span", { class: "gn-symbol" }, element("i", {}, letter), ...(index ? [element("sub", {}, index)] : []));
const SPEEDS = [[0.5, "\u00bd step a second"], [2, "2 steps a second"], [10, "10 steps a second"], [30, "30 steps a second"], [120, "120 steps a second"], [0, "full speed"]];
const brief = (v) => (v === 0 ? "off" : v >= 0.095 ? number(v, v < 1 ? 2 : 1) : v.toPrecision(2).replace(/e-0?(\d+)$/, "e\u2212$1"));

// Sliders on a scale of powers of ten; the lowest place is 0 where `off` is set.
const power = (label, name, low, high, off = false) => ({ kind: "power", label, name, low, high, off });
const count = (label, name, min, max, step = 1) => ({ kind: "count", label, name, min, max, step });
const menu = (label, options) => ({ kind: "menu", label, options });
const onOff = (label) => ({ kind: "switch", label });

const TABLE = {
  bound: menu("Bound", BOUNDS),
  K: count(() => symbolic("K"), "critic steps for one of the generator, K", 1, 10),
  phi: power(() => symbolic("\u03b7", "\u03c6"), "the critic's rate", -4, -1),
  theta: power(() => symbolic("\u03b7", "\u03b8"), "the generator's rate", -4, -1),
  gamma: power(() => symbolic("\u03b3"), "weight of the penalties, gamma", -3, 1, true),
  lam: power(() => symbolic("\u03bb"), "weight lambda", -2, 2, true),
  beta: power(() => symbolic("\u03b2"), "weight of the KL, beta", -2, 1, true),
  code: { kind: "code", label: () => symbolic("c", "2"), name: "the continuous code" },
  N_z: count(() => symbolic("N", "z"), "samples of z for each x", 1, 8),
  contrast: count(() => "contrast", "samples for the adaptive contrast", 0, 32, 8),
  batch: { kind: "menu", label: "Batch", options: [16, 32, 64, 128, 256, 512].map((n) => [n, String(n)]), number: true },
  rule: menu("Optimiser", [["adam", "Adam"], ["sgd", "SGD"]]),
  momentum: count(() => "momentum", "momentum", 0, 0.9, 0.1),
  fall: { kind: "menu", label: "Rates", options: [[0, "constant"], [3000, "fall over 3,000 steps"]], number: true },
  average: { kind: "menu", label: "Drawn", options: [[0.99, "running average"], [0, "last weights"]], number: true },
  flip: onOff("flip: the generator swaps the classes"),
  together: onOff("together: both move at once"),
  hold: onOff("Hold the generator"),
  noise: menu("Noise", [["given", "as given"], ["normal", "normal, 2-D"], ["uniform", "uniform, 2-D"], ["clouds", "32 clouds in 5-D"], ["many", "256 clouds in 8-D"]]),
  waves: onOff("the critic sees sines and cosines"),
  width: { kind: "menu", label: "Width", options: [[0, "as given"], [8, "8"], [16, "16"], [32, "32"], [64, "64"], [128, "128"]], number: true },
  seed: count(() => "seed", "seed", 0, 20),
  speed: { kind: "menu", label: "Speed", options: SPEEDS, number: true },
};
const REST = ["code", "noise", "waves", "K", "phi", "theta", "gamma", "lam", "beta", "N_z", "contrast", "batch", "rule", "momentum", "fall", "average", "width", "seed", "flip", "together"];
const DATA = { given: "of this page", ring: "ring of 8", grid: "grid of 25", moons: "two moons", spiral: "spiral", drawn: "draw your own" };

const makers = {
  power({ label, name, low, high, off }, change) {
    const least = off ? low - 0.1 : low, value = (place) => (place < low - 0.05 ? 0 : Number((10 ** place).toPrecision(2)));
    const made = slider({ label: label(), name, min: least, max: high, step: 0.1, input: (place) => change(value(place)) });
    return { node: made.node, show: (v) => made.show(v > 0 ? Math.log10(v) : least, brief(v)) };
  },
  count({ label, name, min, max, step }, change) {
    const made = slider({ label: label(), name, min, max, step, digits: step < 1 ? 1 : 0, input: change });
    return { node: made.node, show: (v) => made.show(v) };
  },
  // From 0 to 1 for codes from -1 to 1; at 0 each sample has its own.
  code({ label, name }, change) {
    const made = slider({ label: label(), name, min: 0, max: 1, step: 0.05, input: change });
    return { node: made.node, show: (v) => made.show(v, v > 0 ? number(2 * v - 1, 1) : "drawn") };
  },
  menu({ label, options, number: numeric }, change) {
    return select({ label, name: label, options, pick: (v) => change(numeric ? Number(v) : v) });
  },
  switch: ({ label }, change) => check(label, change),
};

const boundsOf = (own) => (BOUNDS.some(([name]) => name === own) ? BOUNDS : [...BOUNDS, [own, own]]);

// The controls by name; `change(key, value)` hears the reader. `show(state)` sets them all.
export function form({ spec, controls, datasets, layers, first, d, change }) {
  const table = { ...TABLE, bound: menu("Bound", boundsOf(first.bound)) };
  if (Object.keys(datasets).length) table.data = menu("Data", Object.entries(DATA).filter(([key]) => key === "given" || key === "drawn" || key in datasets));
  if (d === 1) delete table.noise;
  if (!spec.code?.continuous) delete table.code;
  const made = {};
  for (const name of controls) if (table[name]) made[name] = makers[table[name].kind](table[name], (v) => change(name, v));
  const boxes = layers.map((name) => [name, check(name, () => change("layers", boxes.filter(([, { input }]) => input.checked).map(([key]) => key).join(",")))]);
  const nodes = (...names) => names.filter((name) => made[name]).map((name) => made[name].node);
  const show = (state) => {
    for (const [name, control] of Object.entries(made)) control.show(state[name]);
    const on = state.layers.split(",");
    boxes.forEach(([name, box]) => box.show(on.includes(name)));
  };
  // What is rarely set: folded where there is much of it.
  const rest = (folded) => {
    const inside = element("div", {}, element("div", { class: "gn-settings" }, ...nodes(...REST)), ...(controls.includes("layers") && boxes.length
      ? [element("fieldset", { class: "gn-layers" }, element("legend", {}, "Layers"), ...boxes.map(([, box]) => box.node))] : []));
    return folded ? element("details", { class: "gn-more" }, element("summary", {}, "Settings"), inside) : inside;
  };
  return { nodes, show, rest };
}
