// A game in play: networks, data, noise and players of one model, moved by one step or by one phase at a time.
import { Tape } from "./autodiff.js";
import { models, networksOf } from "./models.js";
import { drawn, given, network } from "./networks.js";
import { Player, move } from "./optimisers.js";
import { noise, random } from "./random.js";
import { sampleToy, toy } from "./toys.js";

// All of them may change between steps. Rates fall by a cosine to a tenth, and gamma to a fiftieth, over `fall` steps if it is not 0.
export const DEFAULTS = {
  theta: 2e-3, phi: 2e-3, rule: "adam", momentum: 0, beta2: 0.99, batch: 128, average: 0.99, fall: 0, hold: false,
};

export class Game {
  // spec: {model, networks, weights, base, code, data, other, labelled, seed}; `draw` replaces the noise in tests.
  constructor(spec, kernels, settings = {}, draw = null) {
    this.spec = spec;
    this.tape = new Tape(kernels);
    this.source = random(spec.seed ?? 0);
    this.draw = draw ?? noise(this.tape, this.source);
    const source = random((spec.seed ?? 0) + 1), take = spec.weights ? given(spec.weights) : drawn(source);
    const of = { tape: this.tape, draw: (law, n) => this.draw(law, n), take };
    this.networks = Object.fromEntries(networksOf[spec.model].map((name) => [name, network(spec.networks[name], of)]));
    this.model = new models[spec.model](this.networks, { ...spec, draw: of.draw });
    this.players = { theta: new Player(this.tape, this.model.theta), phi: new Player(this.tape, this.model.phi) };
    this.means = this.model.theta.map(({ r, c, values }) => this.tape.keep(r, c, values.slice()));
    this.toys = [spec.data, spec.other].map((data) => data && toy(data));
    this.settings = { ...DEFAULTS };
    this.steps = 0;
    this.set(settings);
    this.last = {};
    this.moves = null; // those of the step in progress, if there is one
  }

  set(settings) {
    Object.assign(this.settings, settings);
    this.schedule();
  }
  schedule() {
    const { fall, rule, momentum, beta2, gamma = 0 } = this.settings, done = fall ? Math.min(1, this.steps / fall) : 0;
    const factor = Math.max(0.1, (1 + Math.cos(Math.PI * done)) / 2);
    this.gamma = gamma * 0.02 ** done;
    for (const [name, player] of Object.entries(this.players)) {
      player.set({ rule, momentum, beta2, rate: this.settings[name] * factor });
    }
  }

  // A batch on the tape: x, and y of the other domain or the labels u, one-hot.
  batch() {
    const n = this.settings.batch, { source, tape } = this, [first, other] = this.toys;
    const { x, labels } = sampleToy(first, n, source), out = { x: tape.tensor(n, first.d, x) };
    if (other) out.y = tape.tensor(n, other.d, sampleToy(other, n, source).x);
    if (this.spec.labelled) out.u = oneHot(tape, labels, first.labels);
    return out;
  }
  begin(batch = null) {
    this.schedule();
    this.tape.begin();
    const made = batch ? batch(this.tape) : this.batch();
    this.mark = this.tape.mark();
    this.moves = this.model.step(made, { ...this.settings, gamma: this.gamma });
    this.pending = this.moves.next();
  }

  // Who moves next: "theta", "phi" or "both".
  get phase() { return this.moves && !this.pending.done ? nameOf(this.pending.value) : this.firstPhase(); }
  firstPhase() {
    const first = this.model.step({}, this.settings).next();
    return first.done ? null : nameOf(first.value);
  }

  // One move. A generator that is held does not move.
  advance() {
    const { players, objective } = this.pending.value;
    const movers = players.filter(([name]) => !(this.settings.hold && name === "theta"));
    let item;
    if (movers.length) {
      this.tape.begin(this.mark);
      try {
        item = move(objective(), movers.map(([name, direction]) => [this.players[name], direction]));
      } catch (error) {
        throw new RangeError(`step ${this.steps}, ${nameOf(this.pending.value)}: ${error.message}`);
      }
    }
    this.pending = this.moves.next(item);
    if (this.pending.done) this.end(this.pending.value);
  }
  end(values) {
    this.last = values;
    this.steps++;
    this.moves = null;
    const weight = Math.min(this.settings.average, this.steps / (this.steps + 10));
    if (!this.settings.hold) this.model.theta.forEach((x, i) => mix(this.means[i].values, x.values, weight));
  }

  // What is left of a step, or a whole one; with `batch(tape)`, of these data.
  step(batch = null) {
    if (!this.moves) this.begin(batch);
    while (this.moves) this.advance();
    return this.last;
  }
  // The moves of one player, one after the other; returns its name.
  turn() {
    if (!this.moves) this.begin();
    const who = nameOf(this.pending.value);
    do this.advance(); while (this.moves && nameOf(this.pending.value) === who);
    return who;
  }

  // Run f without a trace: other noise, nothing recorded, the step in progress untouched. What f returns must be copies.
  aside(source, f) {
    const { draw, tape } = this;
    this.draw = noise(tape, source);
    tape.begin(this.moves ? this.mark : tape.floor);
    try {
      return tape.frozen(() => this.averaged(f));
    } finally {
      this.draw = draw;
    }
  }
  // Run f with the running average of the weights of theta in place of the last ones.
  averaged(f) {
    if (!(this.settings.average > 0)) return f();
    const last = this.model.theta.map((x) => x.values.slice());
    this.model.theta.forEach((x, i) => x.values.set(this.means[i].values));
    try {
      return f();
    } finally {
      this.model.theta.forEach((x, i) => x.values.set(last[i]));
    }
  }
  // All parameters, in the order of the description.
  weights() {
    const all = Object.values(this.networks).flatMap((net) => net.parameters);
    const out = new Float32Array(all.reduce((n, x) => n + x.n, 0));
    all.reduce((at, x) => (out.set(x.values, at), at + x.n), 0);
    return out;
  }
}

const nameOf = ({ players }) => (players.length > 1 ? "both" : players[0][0]);
function mix(mean, last, weight) {
  for (let i = 0; i < mean.length; i++) mean[i] += (1 - weight) * (last[i] - mean[i]);
}
function oneHot(tape, labels, K) {
  const u = tape.constant(labels.length, K, 0);
  labels.forEach((k, i) => (tape.heap[u.at + i * K + k] = 1));
  return u;
}
