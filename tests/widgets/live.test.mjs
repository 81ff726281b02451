// The game and the trainer by themselves: seeds, turns, held generators, blow-ups, clocks, messages.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Game } from "../../gannotes/widgets/live/game.js";
import { kernels, plainKernels } from "../../gannotes/widgets/live/kernels.js";
import { best, logs } from "../../gannotes/widgets/live/measures.js";
import { Pictures, gridPoints } from "../../gannotes/widgets/live/pictures.js";
import { Trainer } from "../../gannotes/widgets/live/trainer.js";

const wasm = readFileSync(new URL("../../gannotes/widgets/live/kernels.wasm", import.meta.url));
const leaky = { op: "leaky", slope: 0.2 };
const mlp = (...widths) => ({
  op: "sequence",
  layers: widths.slice(1).flatMap((outputs, i) => [...(i ? [leaky] : []), { op: "linear", inputs: widths[i], outputs }]),
});
const normal = { law: "normal", d: 2 }, moons = { law: "moons", sd: 0.1 };
const gaussian = (...widths) => ({ op: "gaussian", net: mlp(...widths) });
const pairs = { op: "beside", net: mlp(4, 16, 1) };
const specs = {
  gan: { networks: { G: mlp(2, 16, 2), D: mlp(2, 16, 1) }, base: normal, data: moons },
  cyclegan: { networks: { G: mlp(2, 16, 2), F: mlp(2, 16, 2), D_X: mlp(2, 16, 1), D_Y: mlp(2, 16, 1) }, data: moons, other: { law: "spiral", sd: 0.1 } },
  infogan: {
    networks: { G: mlp(5, 16, 2), trunk: mlp(2, 16), D: mlp(16, 1), Q: { op: "code", net: mlp(16, 4), categorical: [2], continuous: 1, floor: 0.05 } },
    base: normal, code: { law: "codes", categorical: [2], continuous: 1 }, data: moons,
  },
  vae: { networks: { encoder: gaussian(2, 16, 4), decoder: gaussian(2, 16, 4) }, base: normal, data: moons },
  ali: { networks: { encoder: gaussian(2, 16, 4), decoder: gaussian(2, 16, 4), D: pairs }, base: normal, data: moons },
  avb: { networks: { encoder: gaussian(2, 16, 4), decoder: gaussian(2, 16, 4), r: pairs }, base: normal, data: moons },
};
const game = (model, settings = {}, seed = 3) => new Game({ model, seed, ...specs[model] }, kernels(wasm), { batch: 32, ...settings });
const play = (made, n) => {
  for (let i = 0; i < n; i++) made.step();
  return [...made.weights()];
};

test("WebAssembly runs in node, and bytes that are refused fall back to JavaScript", () => {
  assert.equal(kernels(wasm).name, "wasm");
  assert.equal(kernels(new Uint8Array(8)).name, "js");
  assert.equal(kernels(null).name, "js");
});

test("a notebook sorts the names of networks; their weights stay theirs", () => {
  for (const [model, spec] of Object.entries(specs)) {
    const first = game(model), weights = first.weights(), sorted = Object.fromEntries(Object.entries(spec.networks).sort());
    const again = new Game({ model, ...spec, networks: sorted, weights }, kernels(wasm));
    for (const name of Object.keys(sorted)) {
      again.networks[name].parameters.forEach(({ values }, i) => assert.deepEqual([...values], [...first.networks[name].parameters[i].values], `${model} ${name}`));
    }
    assert.deepEqual([...again.weights()], [...weights]);
  }
});

test("the heap grows under a step that needs more", () => {
  for (const set of [kernels(wasm), plainKernels()]) {
    const made = new Game({ model: "gan", seed: 0, ...specs.gan }, set, { batch: 40000 }), before = set.heap.length;
    made.step();
    assert.ok(set.heap.length > before);
    assert.ok(made.weights().every(Number.isFinite));
  }
});

for (const model of Object.keys(specs)) {
  test(`${model}: the same seed gives the same 200 steps, whoever looks; another seed others`, () => {
    const one = game(model), other = game(model), pictures = new Pictures(other);
    for (let i = 0; i < 200; i++) {
      one.step();
      other.step();
      if (i % 50 === 0) for (const name of ["data", "samples", "critic", "arrows", "warp", "curves", "translations", "encoded", "pairs", "posteriors"]) pictures.layer(name);
    }
    assert.deepEqual([...one.weights()], [...other.weights()]);
    assert.notDeepEqual([...game(model, {}, 4).weights()], [...game(model).weights()]);
  });
  test(`${model}: two turns, or one, are a step, also when looked at between them`, () => {
    const one = game(model, { K: 2 }), other = game(model, { K: 2 }), order = { vae: ["theta"], cyclegan: ["theta", "phi"], avb: ["theta", "phi"] }[model] ?? ["phi", "theta"];
    for (let i = 0; i < 5; i++) {
      one.step();
      for (const who of order) {
        assert.equal(other.phase, who);
        assert.equal(other.turn(), who);
        new Pictures(other).layer("samples");
      }
    }
    assert.equal(other.steps, 5);
    assert.deepEqual([...one.weights()], [...other.weights()]);
  });
}

test("a generator that is held does not move, and the critic's value climbs to 2 JS - log 4 and not beyond", () => {
  const spec = { networks: { G: mlp(1, 1), D: mlp(1, 16, 16, 1) }, base: { law: "normal", d: 1 }, data: { law: "mixture", weights: [1], means: [[0]], sds: [1] } };
  const made = new Game({ model: "gan", seed: 2, ...spec }, kernels(wasm), { hold: true, phi: 5e-3, batch: 512 }), [W, b] = made.networks.G.parameters;
  W.values[0] = 1;
  b.values[0] = 1.5; // N(1.5, 1) against N(0, 1)
  const x = Array.from({ length: 2000 }, (_, i) => (i - 1000) / 100), normalAt = (m) => x.map((v) => -((v - m) ** 2) / 2 - Math.log(2 * Math.PI) / 2);
  const bound = best("bernoulli", normalAt(0), normalAt(1.5), 0.01), value = (n) => {
    let s = 0;
    for (let i = 0; i < n; i++) s += made.step().value / n;
    return s;
  };
  const early = value(5);
  value(400);
  const late = value(300);
  assert.deepEqual([W.item, b.item], [1, 1.5]);
  assert.ok(early < bound - 0.1 && late > bound - 0.02 && late < bound + 0.01, `${early}, ${late}, ${bound}`);
});

test("both at once: what f-GAN's single step does is not what turns do", () => {
  assert.equal(game("gan", { together: true }).phase, "both");
  assert.notDeepEqual(play(game("gan", { together: true }), 3), play(game("gan"), 3));
});

test("a game that blows up stops before a weight is touched and says whose objective at which step", () => {
  const said = [], trainer = new Trainer((message) => said.push(message));
  trainer.handle({ type: "start", spec: { model: "gan", seed: 1, ...specs.gan }, settings: { bound: "kl" }, wasm });
  trainer.handle({ type: "step", count: 3 });
  trainer.handle({ type: "set", settings: { phi: 1e6, rule: "sgd" } });
  trainer.handle({ type: "step", count: 50 });
  const stopped = said.find(({ type }) => type === "stopped");
  assert.match(stopped.message, /^step \d+, (phi|theta): (objective|gradient): expected (a )?finite/);
  assert.equal(Number(/step (\d+)/.exec(stopped.message)[1]), stopped.step);
  assert.ok(trainer.game.weights().every(Number.isFinite));
  const before = [...trainer.game.weights()];
  trainer.handle({ type: "step", count: 1 });
  assert.deepEqual([...trainer.game.weights()], before);
});

test("a batch that is not finite is refused by the objective, one of huge numbers by the gradient or not at all", () => {
  const made = game("gan");
  assert.throws(() => made.step((tape) => ({ x: tape.constant(4, 2, NaN) })), /step 0, phi: objective: expected a finite value, got NaN/);
});

test("rates fall to a tenth, gamma to a fiftieth", () => {
  const made = game("gan", { fall: 20, gamma: 1, theta: 1, phi: 0.5, rule: "sgd", average: 0, hold: true });
  assert.equal(made.gamma, 1);
  made.steps = 20;
  made.schedule();
  assert.deepEqual([made.players.theta.rate, made.players.phi.rate].map((rate) => rate.toFixed(6)), ["0.100000", "0.050000"]);
  assert.ok(Math.abs(made.gamma - 0.02) < 1e-12);
});

test("the running average follows the weights and leaves them alone", () => {
  const made = game("gan", { average: 0.9 }), last = play(made, 30);
  assert.notDeepEqual([...made.averaged(() => made.weights())], last);
  assert.deepEqual([...made.weights()], last);
  play(Object.assign(made, { settings: { ...made.settings, theta: 0, phi: 0 } }), 400);
  const [mean, now] = [made.averaged(() => made.weights()), made.weights()];
  assert.ok(mean.every((v, i) => Math.abs(v - now[i]) < 1e-4));
});

test("a setting changes while the game runs: bound, rule, batch, K, penalty", () => {
  const made = game("gan");
  for (const settings of [{ bound: "least_squares" }, { rule: "sgd", theta: 0.01 }, { batch: 16 }, { K: 3 }, { gamma: 0.5, bound: "relativistic" }, { flip: false }]) {
    made.set(settings);
    const before = [...made.weights()];
    assert.notDeepEqual(play(made, 2), before);
  }
});

test("the trainer says ready, then frames; unknown messages and layers are named", () => {
  const said = [], trainer = new Trainer((message) => said.push(message));
  assert.throws(() => trainer.handle({ type: "play" }), /expected start first, got play/);
  assert.throws(() => trainer.handle({ type: "dance" }), /expected start, set, .*, got dance/);
  trainer.handle({ type: "start", spec: { model: "gan", seed: 1, ...specs.gan }, look: { layers: ["samples", "critic"] }, wasm });
  assert.deepEqual(said.map(({ type }) => type), ["ready", "frame"]);
  trainer.handle({ type: "phase" });
  assert.deepEqual([said.at(-1).played, said.at(-1).next, said.at(-1).step], ["phi", "theta", 0]);
  trainer.handle({ type: "phase" });
  assert.deepEqual([said.at(-1).played, said.at(-1).next, said.at(-1).step], ["theta", "phi", 1]);
  assert.equal(said.at(-1).layers.critic.v.length, 48 * 48);
  trainer.handle({ type: "look", look: { layers: ["nonsense"] } });
  assert.match(said.at(-1).message, /layer: expected one of data, .*, got nonsense/);
});

test("a clock that stands still holds up neither the steps nor the frames", async () => {
  const said = [];
  await new Promise((resolve) => {
    const trainer = new Trainer((message) => {
      said.push(message);
      if (message.type === "done") resolve();
    }, () => 0);
    trainer.handle({ type: "start", spec: { model: "gan", seed: 1, ...specs.gan }, wasm });
    trainer.handle({ type: "play", until: 350 });
  });
  assert.equal(said.at(-1).step, 350);
  assert.ok(said.filter(({ type }) => type === "frame").length >= 4);
});

test("best critics of pairs: no other critic does better", () => {
  const p = [0.5, 0.2, 0.3], q = [0.1, 0.6, 0.3], value = (v) => {
    let s = 0;
    p.forEach((a, i) => q.forEach((b, j) => (s -= a * b * Math.log1p(Math.exp(v[j] - v[i])))));
    return s;
  };
  const v = p.map((a, i) => Math.log(a / q[i])), found = best("relativistic", logs(p), logs(q));
  assert.ok(Math.abs(found - value(v)) < 1e-12);
  for (const other of [[0, 0, 0], [v[0] + 0.1, v[1], v[2]], [v[0], v[1], v[2] - 0.1]]) assert.ok(value(other) < found);
});

test("weights are given in the model's own order, whatever the order of the description's keys", () => {
  const weights = Float32Array.from({ length: 15 }, (_, i) => i), networks = { D: mlp(1, 4, 1), G: mlp(1, 1) };
  const made = new Game({ model: "gan", networks, weights, base: { law: "normal", d: 1 }, data: { law: "mixture", weights: [1], means: [[0]], sds: [1] } }, kernels(wasm));
  assert.deepEqual(made.networks.G.parameters.map((x) => x.item), [0, 1]);
  assert.deepEqual([...made.weights()], [...weights]);
});

test("the best ratio of an encoder whose density is known is log q - log p_0", () => {
  const points = { law: "points", points: [[1, 0], [0, 1]], sd: 0 }, made = new Game({ model: "avb", seed: 1, ...specs.avb, data: points }, kernels(wasm)), pictures = new Pictures(made);
  const { x, best: found, shares } = pictures.layer("posteriors")[0], z = gridPoints(pictures.latent, pictures.side);
  const exact = made.aside(pictures.noise(), () => {
    const q = made.model.encoder(made.tape.tensor(1, 2, x)), [mean, sd] = [q.mean.values.slice(), q.sd.values.slice()];
    return found.map((_, i) => [0, 1].reduce((s, j) => s - ((z[2 * i + j] - mean[j]) / sd[j]) ** 2 / 2 - Math.log(sd[j]) + z[2 * i + j] ** 2 / 2, 0));
  });
  const off = shares.reduce((s, q, i) => s + q * Math.abs(found[i] - exact[i]), 0);
  const inside = shares.reduce((a, b) => a + b, 0);
  assert.ok(inside > 0.9 && inside < 1.0001 && off < 0.2, `${inside}, ${off}`);
});

test("the best critic of pairs is the log ratio of the two joints", () => {
  const line = { op: "gaussian", net: mlp(1, 2) }, spec = { networks: { encoder: line, decoder: line, D: { op: "beside", net: mlp(2, 1) } }, base: { law: "normal", d: 1 } };
  const weights = Float32Array.from([0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]); // z | x is N(0, 1), and x | z is N(1, 1)
  const made = new Game({ model: "ali", weights, ...spec, data: { law: "mixture", weights: [1], means: [[0]], sds: [1] } }, kernels(wasm)), pictures = new Pictures(made);
  const { best: found } = pictures.layer("critic"), at = gridPoints([pictures.window[0], pictures.latent[0]], pictures.side);
  found.forEach((v, i) => assert.ok(Math.abs(v - (0.5 - at[2 * i])) < 1e-3 * (1 + at[2 * i] ** 2)));
});
