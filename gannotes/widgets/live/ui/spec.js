// From the reader's state to what the engine is asked for.
import { half } from "../../numbers.js";

const NOISES = {
  normal: { law: "normal", d: 2 },
  uniform: { law: "uniform", d: 2, low: -1, high: 1 },
  clouds: { law: "corners", d: 5, sd: 0.1 },
  many: { law: "corners", d: 8, sd: 0.1 },
};
const WAVES = [1, 2, 4]; // frequencies
const DRAWN = 0.05; // the deviation around a point that was drawn
export const WINDOW = [[-2.4, 2.4], [-2.4, 2.4]]; // what is seen of a drawing

// The bytes of a trait, half precision, as float32.
export const weightsOf = (view) => Float32Array.from({ length: view.byteLength / 2 }, (_, i) => half(view.getUint16(2 * i, true)));

// A chain of affine maps with another width, and another number of inputs; behind sines and cosines if `waves`.
function resized(net, { width, inputs, waves = false }) {
  if (net.op !== "sequence") return net;
  if (waves) {
    const seen = resized(net, { width, inputs: net.layers[0].inputs * (1 + 2 * WAVES.length) });
    return { ...seen, layers: [{ op: "waves", frequencies: WAVES }, ...seen.layers] };
  }
  const affine = net.layers.filter(({ op }) => op === "linear"), last = affine.at(-1);
  const hidden = (n) => width || n;
  return {
    ...net,
    layers: net.layers.map((layer) => layer.op !== "linear" ? layer : {
      ...layer,
      inputs: layer === affine[0] ? (inputs ?? layer.inputs) : hidden(layer.inputs),
      outputs: layer === last ? layer.outputs : hidden(layer.outputs),
    }),
  };
}

export function dataOf(state, { spec, datasets }) {
  if (state.data === "drawn") {
    const flat = state.points.length ? state.points : [0, 0], points = Array.from({ length: flat.length >> 1 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]);
    return { law: "points", points, sd: DRAWN };
  }
  return datasets[state.data] ?? spec.data;
}

// The given weights are for the given networks and the first seed; everything else is drawn.
export function specOf(state, figure) {
  const { spec, weights, first } = figure, base = NOISES[state.noise] ?? spec.base;
  const own = state.seed === first.seed && state.width === 0 && base === spec.base && !state.waves;
  const change = { G: { inputs: base?.d }, D: { waves: state.waves } }, resizable = spec.model === "gan" && !spec.labelled;
  const networks = own || !resizable ? spec.networks : Object.fromEntries(Object.entries(spec.networks)
    .map(([name, net]) => [name, resized(net, { width: state.width, ...change[name] })]));
  return { ...spec, networks, base, data: dataOf(state, figure), seed: state.seed, weights: own ? weights : null };
}

const OURS = ["theta", "phi", "K", "gamma", "batch", "rule", "momentum", "beta2", "average", "fall", "flip", "together", "hold", "lam", "N_z", "beta", "contrast", "bound", "sampled_kl"];

// A generator that is held is drawn as it stands, without its past.
export function settingsOf(state) {
  const settings = Object.fromEntries(OURS.filter((key) => key in state).map((key) => [key, state[key]]));
  return state.hold ? { ...settings, average: 0 } : settings;
}

const PLANE = { data: ["data"], samples: ["samples"], critic: ["critic"], arrows: ["arrows"], warp: ["warp"] };
const WANTED = {
  gan: PLANE, infogan: PLANE,
  cyclegan: { data: ["data"], threads: ["translations"], critic: ["critic"] },
  vae: { data: ["data"], samples: ["samples"], ellipses: ["encoded"], threads: ["encoded"] },
  ali: { data: ["data"], samples: ["samples"], threads: ["pairs"], critic: ["critic"] },
  avb: { data: ["data"], samples: ["samples"], posteriors: ["posteriors"] },
};
const ALWAYS = { cyclegan: ["translations"], vae: ["encoded"], ali: ["pairs"], avb: ["posteriors"] };

export function lookOf(state, { spec, d }) {
  const on = state.layers.split(",").flatMap((name) => WANTED[spec.model][name] ?? []);
  const line = d > 1 ? [] : { gan: ["samples", "curves", "critic"], ali: ["critic"] }[spec.model] ?? [];
  return {
    layers: [...new Set(["data", ...on, ...line, ...(ALWAYS[spec.model] ?? [])])],
    label: state.label, code: state.code,
    ...(state.data === "drawn" ? { window: WINDOW } : {}),
  };
}
