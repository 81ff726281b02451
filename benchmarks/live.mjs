// Plays the 2-64-64 game in node: for every line of standard input that many steps of the game that the line names, and the
// processor microseconds that one took. A line: {"name", "settings", "plain", "steps"}.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Game } from "../gannotes/widgets/live/game.js";
import { kernels } from "../gannotes/widgets/live/kernels.js";

const wasm = readFileSync(new URL("../gannotes/widgets/live/kernels.wasm", import.meta.url));
const linear = (inputs, outputs) => ({ op: "linear", inputs, outputs }), leaky = { op: "leaky", slope: 0.2 };
const net = (k, d) => ({ op: "sequence", layers: [linear(k, 64), leaky, linear(64, 64), leaky, linear(64, d)] });
const spec = { model: "gan", networks: { G: net(2, 2), D: net(2, 1) }, base: { law: "normal", d: 2 }, data: { law: "moons", sd: 0.1 }, seed: 0 };
const games = new Map();

for await (const line of createInterface({ input: process.stdin })) {
  const { name, settings, plain, steps } = JSON.parse(line);
  if (!games.has(name)) games.set(name, new Game(spec, kernels(plain ? null : wasm), { batch: 128, theta: 1e-3, phi: 1e-3, ...settings }));
  const game = games.get(name), before = process.cpuUsage();
  for (let i = 0; i < steps; i++) game.step();
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(`${(user + system) / steps}\n`);
}
