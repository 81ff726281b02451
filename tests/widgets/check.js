// Does the engine what the package did? `operation` and `model` repeat a case of live_fixtures.py and return the largest error
// of each kind; plain modules, so that a browser can run them too.
import {
  abs, add, affine, affineMap, below, beside, columns, cos, div, exp, expand, expm1, gradients, leaky, log, logsigmoid, logsumexp, matmul,
  matmulTransposed, mean, meanCopies, mul, neg, plus, reciprocal, rows, scale, sigmoid, silu, sin, softplus, sqrt, square, sub, sum,
  sumColumns, sumTo, tanh, tile, transpose, untile,
} from "../../gannotes/widgets/live/operations.js";
import { Tape } from "../../gannotes/widgets/live/autodiff.js";
import { Game } from "../../gannotes/widgets/live/game.js";
import { Player } from "../../gannotes/widgets/live/optimisers.js";

const operations = {
  abs, add, affine, affineMap, below, beside, columns, cos, div, exp, expand, expm1, leaky, log, logsigmoid, logsumexp, matmul,
  matmulTransposed, mean, meanCopies, mul, neg, plus, reciprocal, rows, scale, sigmoid, silu, sin, softplus, sqrt, square, sub, sum,
  sumColumns, sumTo, tanh, tile, transpose, untile,
};

// The largest difference, beside the largest number wanted.
function error(came, wanted) {
  let difference = 0, size = 1e-30;
  wanted.forEach((w, i) => {
    difference = Math.max(difference, Number.isFinite(came[i]) ? Math.abs(came[i] - w) : Infinity);
    size = Math.max(size, Math.abs(w));
  });
  return came.length === wanted.length ? difference / size : Infinity;
}
const worst = (came, wanted) => error(came.flatMap((x) => [...x]), wanted.flat());

export function operation(fixture, kernels) {
  const tape = new Tape(kernels), matrix = ({ r, c, values }) => tape.tensor(r, c, values);
  const xs = fixture.x.map((x) => tape.variable(matrix(x))), us = fixture.u.map(matrix), [w] = fixture.w.map(matrix);
  const y = operations[fixture.name](...xs, ...fixture.numbers);
  const first = gradients(sum(mul(w, mul(y, mul(y, y)))), xs, true);
  const second = gradients(first.map((g, i) => sum(mul(us[i], g))).reduce(add), xs);
  const values = (list) => list.map((x) => x.values);
  return {
    value: error(y.values, fixture.y.values),
    first: worst(values(first), fixture.first.map((g) => g.values)),
    second: worst(values(second), fixture.second.map((g) => g.values)),
  };
}

export function optimiser({ rule, settings, rates, start, gradients: given, end }, kernels) {
  const tape = new Tape(kernels), x = tape.parameter(start.r, start.c, start.values), player = new Player(tape, [x]);
  given.forEach((g, i) => {
    tape.begin();
    player.set({ rule, rate: rates[i], ...settings });
    player.update([tape.tensor(g.r, g.c, g.values)], -1);
  });
  return { value: error(x.values, end.values) };
}

export function model(fixture, kernels) {
  let used = 0;
  const game = new Game({ ...fixture.spec, weights: Float32Array.from(fixture.weights), seed: 0 }, kernels, { ...fixture.settings, average: 0 }, (law, n) => {
    const drawn = fixture.draws[used++];
    if (drawn?.r !== n) throw new Error(`draw ${used - 1}: expected ${drawn?.r} rows, got ${n} of ${JSON.stringify(law)}`);
    return game.tape.tensor(n, drawn.c, drawn.values);
  });
  const moves = [], out = watched(moves, () => game.step((tape) => batchOf(tape, fixture.batch)));
  const players = moves.map(({ player }) => (player === game.players.theta ? "theta" : "phi"));
  if (players.join() !== fixture.moves.map((move) => move.player).join()) throw new Error(`moves: ${players}`);
  if (used !== fixture.draws.length) throw new Error(`draws: expected ${fixture.draws.length}, got ${used}`);
  return {
    gradient: Math.max(...moves.map((move, i) => worst(move.gradients, fixture.moves[i].gradients))),
    out: Math.max(...Object.entries(fixture.out).map(([name, wanted]) => error([out[name]].flat(), wanted))),
  };
}
const batchOf = (tape, batch) => Object.fromEntries(Object.entries(batch).map(([name, { r, c, values }]) => [name, tape.tensor(r, c, values)]));

// What every player is told to follow while f runs, with torch's sign: the gradient of a loss.
function watched(moves, f) {
  const { update } = Player.prototype;
  Player.prototype.update = function (gradientsOf, direction) {
    moves.push({ player: this, gradients: gradientsOf.map((g) => g.values.map((v) => -direction * v)) });
    return update.call(this, gradientsOf, direction);
  };
  try {
    return f();
  } finally {
    Player.prototype.update = update;
  }
}
