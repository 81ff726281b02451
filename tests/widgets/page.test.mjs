// The plain functions of the page: numbers, paths, codes, the normal law, the pad, the divergences and their bound.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bound, locate } from "../../gannotes/widgets/bound.js";
import { generator, layout } from "../../gannotes/widgets/codes.js";
import { divergence, infinite, ROWS } from "../../gannotes/widgets/divergences.js";
import { fit, minimise, pack, unpack } from "../../gannotes/widgets/fit.js";
import { clamp, decode, nice, number, roundUp, spread, ticks } from "../../gannotes/widgets/numbers.js";
import { networks } from "../../gannotes/widgets/network.js";
import { Phi, quantile } from "../../gannotes/widgets/normal.js";
import { stroke } from "../../gannotes/widgets/pad.js";
import { eigenvalues, path, round } from "../../gannotes/widgets/dirac.js";
import { softmax } from "../../gannotes/widgets/digit_pad.js";
import { atoms, density, distance, exact, generate, noises } from "../../gannotes/widgets/pushforward.js";
import { arc, dot, mix } from "../../gannotes/widgets/paths.js";

const near = (a, b, error = 1e-9) => assert.ok(Math.abs(a - b) <= error * Math.max(1, Math.abs(b)), `${a} is not ${b}`);
const normal = (mean, sd) => ({ weights: [1], means: [mean], sds: [sd] });
const view = (...values) => new DataView(Uint16Array.from(values).buffer);

test("half precision is exact, with its smallest and its infinite values", () => {
  assert.deepEqual([...decode(view(0x3c00, 0xc000, 0x3555, 0x0001, 0x8000, 0x7bff, 0x7c00), "float16")],
    [1, -2, 1365 / 4096, 2 ** -24, -0, 65504, Infinity]);
  assert.ok(Number.isNaN(decode(view(0x7e00), "float16")[0]));
});

test("round numbers, ticks and a true minus sign", () => {
  assert.deepEqual([0.11, 0.3, 7, 20].map(nice), [0.1, 0.2, 5, 20]);
  assert.deepEqual([0.11, 0.3, 7, 20].map((x) => +roundUp(x).toPrecision(3)), [0.15, 0.3, 8, 20]);
  assert.deepEqual(ticks([-1, 1], 4).map(([, label]) => label), ["\u22121.0", "\u22120.5", "0.0", "0.5", "1.0"]);
  assert.equal(number(-0.001), "0.00");
  assert.deepEqual([...spread([0, 1], 3)], [0, 0.5, 1]);
  assert.deepEqual([-1, 0.5, 2].map((v) => clamp(v, 0, 1)), [0, 0.5, 1]);
});

test("a great circle keeps the length, a chord does not", () => {
  const a = [3, 0, 0], b = [0, 3, 0];
  for (const t of [0, 0.3, 1]) near(Math.sqrt(dot(arc(a, b, t), arc(a, b, t))), 3);
  near(dot(mix(a, b, 0.5), mix(a, b, 0.5)), 4.5);
  assert.deepEqual(arc(a, a, 0.5), a);
});

test("the normal law and its inverse", () => {
  near(Phi(1), 0.8413447460685429, 1e-15);
  for (const z of [-4, -0.3, 0, 2.5]) near(quantile(Phi(z)), z, 1e-9);
});

test("a code is noise, a class and a number, and a slider moves its direction alone", () => {
  const noise = { normal: true, first: [0, 0], second: [1, 1] };
  const code = layout({ noise, sliders: [{ name: "u", direction: [0.6, 0.8], low: -3, high: 3 }], categorical: [{ name: "c", classes: ["a", "b", "d"] }], continuous: [{ name: "e", low: -1, high: 1 }] });
  const z = [1, 2, 0, 1, 0, 0.5], [u, e] = code.sliders, [c] = code.blocks, moved = u.write(z, 0);
  near(u.read(z), 2.2);
  near(u.read(moved), 0);
  near(moved[0] * 0.8 - moved[1] * 0.6, z[0] * 0.8 - z[1] * 0.6);
  assert.equal(c.read(z), 1);
  assert.deepEqual(c.write(z, 2), [1, 2, 0, 0, 1, 0.5]);
  assert.deepEqual(e.write(z, -1), [1, 2, 0, 1, 0, -1]);
  assert.deepEqual(u.shift([5, 5], 1), [5.6, 5.8]); // the noise of another image
  assert.deepEqual(code.draw(z, generator(3)), code.draw(z, generator(3)));
  assert.deepEqual(code.draw(z, generator(3)).slice(2), z.slice(2));
});

test("uniform noise ends where its interval ends", () => {
  const noise = { normal: false, first: [-1, -1], second: [1, 1] };
  const code = layout({ noise, sliders: [{ name: "z", index: 0, low: -1, high: 1 }], categorical: [], continuous: [] });
  assert.deepEqual(code.within(code.sliders[0].shift([0.5, 0.2], 2)), [1, 0.2]);
});

test("draws have the moments of N(0, 1)", () => {
  const random = generator(0), x = Array.from({ length: 40000 }, () => random.normal());
  near(x.reduce((s, v) => s + v, 0) / x.length, 0, 0.02);
  near(x.reduce((s, v) => s + v * v, 0) / x.length, 1, 0.03);
});

test("a network of two layers, by hand", () => {
  const state = { weights: new DataView(Float32Array.of(1, 2, 3, 4, 0.5, -20).buffer), dtype: "float32", layers: [{ op: "linear", inputs: 2, outputs: 2 }, { op: "activation", name: "relu", parameters: [], size: 2 }] };
  const [forward] = networks({ get: (name) => state[name] }, [2]);
  assert.deepEqual([...forward([1, 1])], [3.5, 0]);
  state.layers.pop();
  state.weights = new DataView(new ArrayBuffer(28));
  assert.throws(() => networks({ get: (name) => state[name] }, [1]), /the layers use 6 of 7 parameters/);
});

test("KL, chi-squared and the tails of Gaussians are the closed forms", () => {
  const p = normal(0, 1), q = normal(1, 2), kl = Math.log(2) + (1 + 1) / 8 - 0.5;
  near(divergence(ROWS.kl, p, q), kl, 1e-8);
  near(divergence(ROWS.reverse_kl, q, p), kl, 1e-8);
  near(divergence(ROWS.pearson, normal(1, 1), p), Math.E - 1, 1e-8);
  assert.equal(divergence(ROWS.pearson, q, p), Infinity);
  assert.ok(infinite(2, q, p) && !infinite(2, p, q));
});

test("the fit of reverse KL is p itself, and stays inside the ranges", () => {
  const { q } = fit(ROWS.reverse_kl, normal(0.5, 2), normal(-2, 1));
  near(q.means[0], 0.5, 1e-4);
  near(q.sds[0], 2, 1e-4);
  assert.deepEqual(unpack(pack(normal(9, 9))), normal(4, 4));
  near(minimise(([x, y]) => (x - 1) ** 2 + (y + 2) ** 2, [0, 0], 0.5).z[1], -2, 1e-5);
});

test("the critic's cubic goes through its knots and is constant beyond", () => {
  const knots = [-1, 0, 1, 2], v = [3, -1, 2, 5], at = (x) => locate(knots, x).reduce((sum, [i, w]) => sum + w * v[i], 0);
  knots.forEach((x, i) => near(at(x), v[i]));
  near(at(-7), 3);
  near(at(9), 5);
});

test("the best knots beat v* at the knots, and the gradient vanishes there", () => {
  const p = { weights: [0.33, 0.67], means: [-1, 2], sds: [0.255, 1.415] }, q = normal(1.4, 1.6);
  const knots = Array.from({ length: 18 }, (_, k) => -3.5 + ((k + 0.5) * 10) / 18), keys = ["kl", "jensen_shannon", "gan"];
  assert.ok(knots.some((x) => Math.abs(x + 1) < 1e-9)); // one in the middle of the narrow mode
  const game = bound(p, q, knots, [-5, 5], keys);
  for (const key of keys) {
    const v = game.optimum(key), { bound: reached, truth } = game.evaluate(key, v), zero = game.evaluate(key, knots.map(() => 0)).bound;
    assert.ok(reached <= truth);
    assert.ok(truth - reached < 0.02 * (truth - zero), `${key}: ${reached} of ${truth}`);
    assert.ok(Math.max(...game.gradient(key, v).map(Math.abs)) < 1e-6);
  }
});

test("two players in turn keep their area, together they gain, and a penalty brings them in", () => {
  const rules = { eta: [0.2, 0.2], gamma: 0, inTurn: true, flip: false }, size = ([a, b]) => Math.hypot(a, b);
  near(size(eigenvalues(rules)[0]), 1);
  near(size(eigenvalues({ ...rules, inTurn: false })[0]), Math.sqrt(1.01));
  const [theta, psi] = round([1e-4, 0], { ...rules, inTurn: false });
  near(theta, 1e-4);
  near(psi, -1e-5, 1e-9);
  assert.ok(Math.hypot(...path([0.8, 0], { ...rules, gamma: 0.3 }, 300).at(-1)) < 1e-3);
  assert.ok(path([2, 2], { ...rules, eta: [2, 2], gamma: 1.5 }, 300).length < 301); // stops when it has left
});

test("a straight generator makes a Gaussian, and a level one an atom", () => {
  const z = [-1, 0, 1], double = z.map((v) => 2 * v), points = [-3, 0, 1.5];
  density(z, double, points).forEach((q, i) => near(q, Math.exp(-((points[i] / 2) ** 2) / 2) / Math.sqrt(8 * Math.PI)));
  near(generate(z, double, 7), 14);
  assert.deepEqual(atoms(z, double), []);
  const [[at, mass]] = atoms(z, [3, 3, 4]);
  assert.equal(at, 3);
  near(mass, 0.5);
  near(exact({ weights: [1], means: [1], sds: [2] }, 1.5), 4, 1e-9);
  near(noises(4)[2], 0.3186393639643752, 1e-9);
  near(distance([1, 0], [1, 0], [1, 1]), 0);
  near(distance([1, 0], [0, 1], [1, 1]), Math.LN2);
  near(distance([1, 0], [0, 0], [1, 1]), Math.LN2); // all of it in an atom
  assert.deepEqual(softmax([1000, 1000]), [0.5, 0.5]);
});

test("a stroke covers what lies in its strip, and an eraser takes it away", () => {
  const drawn = stroke(new Uint8Array(25), [5, 5], [0.5, 2.5], [4.5, 2.5], 0.5, false);
  assert.deepEqual([...drawn.slice(10, 15)], [255, 255, 255, 255, 255]);
  assert.equal(drawn.slice(0, 5).reduce((a, b) => a + b), 0);
  assert.equal(stroke(drawn, [5, 5], [2.5, 2.5], [2.5, 2.5], 9, true).reduce((a, b) => a + b), 0);
});
