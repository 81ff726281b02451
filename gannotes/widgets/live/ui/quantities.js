// What is followed over the steps: from a frame to a row of the record, the charts of each model, and the line below a picture.
import { number } from "../../numbers.js";
import { neutralValue } from "./values.js";

const sum = (a, b) => (Number.isFinite(a) ? a + (b ?? 0) : undefined);

export function rowOf({ step, values, numbers }) {
  const n = numbers ?? {}, s = n.samples ?? n.X ?? {};
  return {
    step, ...defined({
      V: sum(values.value, values.penalty), elbo: values.elbo, kl: values.kl, cycle: n.cycle ?? values.cycle,
      best: n.gaussian?.best ?? s.best, js: n.gaussian?.js ?? s.js, floor: n.gaussian ? undefined : s.floor?.js, floorBest: n.gaussian ? undefined : s.floor?.best,
      covered: s.covered, parts: s.parts, pieces: s.pieces, close: s.close, evidence: n.evidence, bound: n.elbo, reconstruction: n.reconstruction,
      information: n.information, informationFloor: n.informationFloor, entropy: n.entropy, mu: n.gaussian?.mu, sigma: n.gaussian?.sigma,
    }),
  };
}
const defined = (row) => Object.fromEntries(Object.entries(row).filter(([, v]) => v !== undefined && v !== null));

const V = { name: "V", colour: "--gn-D", words: "value" };
const best = { name: "best", colour: "--gn-best", dash: [7, 3], words: "of the best critic", wild: true };
const floor = (rows, name, colour, words = "its floor") => ({ level: () => rows.last(name), colour, dash: [1, 3], words });
const nothing = (state, model) => ({ level: () => neutralValue(state.bound, model), colour: "--gn-muted", dash: [2, 4], width: 1, words: "knows nothing" });
const js = (rows) => [
  { name: "js", colour: "--gn-q", words: "JS of data and samples" },
  floor(rows, "floor", "--gn-p", "of data and data"),
];
const evidence = { name: "evidence", colour: "--gn-p", dash: [7, 3] };

// [title, lines] for each chart.
export const chartsOf = (model, state, rows) => ({
  gan: [["Value", [V, best, floor(rows, "floorBest", "--gn-best"), nothing(state)]], ["Divergence", js(rows)]],
  infogan: [
    ["Value", [V, nothing(state)]],
    ["Information", [
      { name: "information", colour: "--gn-q", words: "I(c; x\u2032)" }, floor(rows, "informationFloor", "--gn-q"),
      { ...floor(rows, "entropy", "--gn-best", "H(c)"), dash: [7, 3] },
    ]],
  ],
  cyclegan: [["Value", [V, nothing(state, "cyclegan")]], ["Cycle loss", [{ name: "cycle", colour: "--gn-q", words: "cycle loss" }]]],
  vae: [["Bound", [{ name: "bound", colour: "--gn-D", words: "ELBO" }, { ...evidence, words: "log p(x), by quadrature" }]], ["KL", [{ name: "kl", colour: "--gn-q", words: "KL(q \u2016 p\u2080)" }]]],
  ali: [["Value", [V, nothing(state)]], ["Reconstruction", [{ name: "reconstruction", colour: "--gn-q", words: "E |x \u2212 x\u2032|\u2081" }]]],
  avb: [
    ["Bound", [{ name: "bound", colour: "--gn-D", words: "ELBO, learnt" }, { ...evidence, words: "log p(x), by quadrature" }]],
    ["Value", [V, nothing({ bound: "bernoulli" })]],
  ],
}[model]);

export function summary(rows, step) {
  const last = rows.last, words = [`Step ${step.toLocaleString("en")}`];
  if (last("parts") > 1) words.push(`${last("covered")} of ${last("parts")} ${last("pieces")}`);
  if (last("close") !== undefined && last("mu") === undefined) words.push(`${Math.round(100 * last("close"))} % near data`);
  if (last("mu") !== undefined) words.push(`\u03bc ${number(last("mu"))}, \u03c3 ${number(last("sigma"))}`);
  return words.join(" \u00b7 ");
}
