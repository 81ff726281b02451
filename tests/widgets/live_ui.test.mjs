// The page's side of LiveTraining: addresses, what the engine is asked for, contours, axes, and the presets that work.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Trainer } from "../../gannotes/widgets/live/trainer.js";
import { range, record } from "../../gannotes/widgets/live/ui/history.js";
import { contour } from "../../gannotes/widgets/live/ui/plane.js";
import { nearest } from "../../gannotes/widgets/live/ui/pointing.js";
import { settingsOf, specOf } from "../../gannotes/widgets/live/ui/spec.js";
import { decode, encode, ownPart, withPart } from "../../gannotes/widgets/live/ui/state.js";

const wasm = readFileSync(new URL("../../gannotes/widgets/live/kernels.wasm", import.meta.url));
const FIRST = {
  theta: 2e-3, phi: 2e-3, K: 1, gamma: 0, batch: 128, rule: "adam", momentum: 0, beta2: 0.99, average: 0.99, fall: 0, flip: true, together: false,
  hold: false, seed: 0, speed: 0, width: 0, bound: "bernoulli", noise: "given", waves: false, data: "given", points: [0.5, -1], layers: "data,samples",
};

test("an address holds a state, beside those of other widgets", () => {
  const state = { ...FIRST, K: 3, flip: false, data: "moons", points: [0.25, -1.5, 1, 2], theta: 5e-4 };
  const address = withPart("#live-other:K=2", "gan", encode(state, FIRST));
  assert.equal(ownPart(address, "other"), "K=2");
  assert.deepEqual(decode(ownPart(address, "gan"), FIRST), state);
  assert.equal(encode(FIRST, FIRST), "");
  assert.equal(ownPart("#live-gan-2:K=2", "gan"), null);
});
test("an address may name a preset, and survives nonsense", () => {
  const presets = { "slow critic": { phi: 1e-4 } };
  assert.deepEqual(decode("slow-critic&K=2", FIRST, presets), { ...FIRST, phi: 1e-4, K: 2 });
  assert.deepEqual(decode("K=x&nothing=1&else", FIRST, presets), FIRST);
});
test("a contour lies where the field changes its sign", () => {
  const side = 9, v = Float32Array.from({ length: side * side }, (_, i) => (i % side) - 3.25);
  const pieces = contour(v, side);
  assert.equal(pieces.length, side - 1);
  for (const [x, , x2] of pieces) assert.deepEqual([x, x2], [3.25, 3.25]);
});
test("the nearest mark is the one that is meant, if it is near enough", () => {
  const at = [0, 0, 10, 0, 3, 4];
  assert.equal(nearest(at, [4, 4], 6), 2);
  assert.equal(nearest(at, [4, 4], 1), null);
  assert.equal(nearest(at, [9, 1], 6), 1);
});
test("an axis holds the levels and nearly all of the values; a record thins itself", () => {
  const [low, high] = range([...Array(99).fill(1), 1e6], [-1]);
  assert.ok(low < -1 && high > 1 && high < 2);
  const rows = record();
  for (let step = 0; step < 5000; step++) rows.add({ step, V: -step });
  const [steps, values] = rows.series("V");
  assert.ok(steps.length <= 600 && steps[0] === 0 && rows.end === 4999 && rows.last("V") === -4999);
  assert.ok(steps.every((step, i) => values[i] === -step));
});

const linear = (inputs, outputs) => ({ op: "linear", inputs, outputs }), leaky = { op: "leaky", slope: 0.2 };
const chain = (...d) => ({ op: "sequence", layers: d.slice(1).flatMap((n, i) => [...(i ? [leaky] : []), linear(d[i], n)]) });
const ring = { law: "mixture", weights: Array(8).fill(1 / 8), means: Array.from({ length: 8 }, (_, k) => [2 * Math.cos((k * Math.PI) / 4), 2 * Math.sin((k * Math.PI) / 4)]), sds: Array(8).fill(0.02), scale: 1.42 };
const figure = {
  spec: { model: "gan", networks: { G: chain(2, 64, 64, 2), D: chain(2, 64, 64, 1) }, base: { law: "normal", d: 2 }, data: ring, labelled: false },
  datasets: {}, first: FIRST, weights: new Float32Array(9091),
};
function play(state, steps) {
  let last;
  const trainer = new Trainer((message) => {
    assert.notEqual(message.type, "stopped", message.message);
    if (message.type === "frame") last = message;
  });
  trainer.handle({ type: "start", spec: specOf(state, figure), settings: settingsOf(state), look: { layers: [], numbers: false }, wasm });
  trainer.handle({ type: "step", count: steps });
  trainer.handle({ type: "look", look: { numbers: true } });
  return last.numbers.samples;
}
test("the weights of the page are for its own networks, noise and seed", () => {
  assert.equal(specOf(FIRST, figure).weights, figure.weights);
  for (const other of [{ seed: 1 }, { width: 32 }, { noise: "clouds" }, { waves: true }]) assert.equal(specOf({ ...FIRST, ...other }, figure).weights, null);
  const { networks } = specOf({ ...FIRST, width: 32, noise: "clouds", waves: true }, figure), sizes = (net) => net.layers.filter(({ op }) => op === "linear").map(({ inputs, outputs }) => [inputs, outputs]);
  assert.deepEqual(sizes(networks.G), [[5, 32], [32, 32], [32, 2]]);
  assert.deepEqual(sizes(networks.D), [[14, 32], [32, 32], [32, 1]]);
});
const REMEDIED = { bound: "relativistic", gamma: 0.05, fall: 3000, noise: "clouds" };
test("the ring, remedied, has all of its modes in three of three seeds", () => {
  for (const seed of [1, 2, 3]) {
    const found = play({ ...FIRST, ...REMEDIED, seed }, 4000);
    assert.equal(found.covered, 8, `seed ${seed}`);
    assert.ok(found.close > 0.9, `seed ${seed}: ${found.close}`);
  }
});
