// Plays games of the page in node and tells their numbers on the way. For every line of standard input, {"figure", "preset",
// "seed", "steps", "looks"}, a figure being a file with the traits that a notebook has saved, one line: the rows
// [{step, seconds, numbers}], seconds of the processor.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Game } from "../gannotes/widgets/live/game.js";
import { kernels } from "../gannotes/widgets/live/kernels.js";
import { Numbers } from "../gannotes/widgets/live/numbers.js";
import { Pictures } from "../gannotes/widgets/live/pictures.js";
import { settingsOf, specOf, weightsOf } from "../gannotes/widgets/live/ui/spec.js";

const wasm = readFileSync(new URL("../gannotes/widgets/live/kernels.wasm", import.meta.url));

function read(path) {
  const { spec, settings, presets, datasets, start } = JSON.parse(readFileSync(path, "utf8")), bytes = Uint8Array.from(Buffer.from(start, "base64"));
  return { spec, datasets, presets, first: { ...settings, points: [], layers: "" }, weights: weightsOf(new DataView(bytes.buffer)) };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { figure: path, preset, seed, steps, looks } = JSON.parse(line), figure = read(path);
  const state = { ...figure.first, ...figure.presets[preset] };
  state.seed += seed;
  const game = new Game(specOf(state, figure), kernels(wasm), settingsOf(state)), numbers = new Numbers(game, new Pictures(game));
  const rows = [], every = Math.ceil(steps / looks);
  for (let seconds = 0; game.steps < steps; ) {
    const before = process.cpuUsage();
    for (let i = 0; i < every && game.steps < steps; i++) game.step();
    const { user, system } = process.cpuUsage(before);
    seconds += (user + system) / 1e6;
    rows.push({ step: game.steps, seconds, values: game.last, numbers: numbers.all() });
  }
  process.stdout.write(`${JSON.stringify(rows)}\n`);
}
