// Answers requests {module, name, args} from standard input, one JSON list: what the engine's functions return.
import { readFileSync } from "node:fs";
import { Game } from "../../gannotes/widgets/live/game.js";
import { plainKernels } from "../../gannotes/widgets/live/kernels.js";
import { evidence } from "../../gannotes/widgets/live/numbers.js";
import { toy } from "../../gannotes/widgets/live/toys.js";

const read = (a) => (a?.toy ? toy(a.toy) : a?.logs ? a.logs.map((v) => (v === null ? -Infinity : v)) : a?.f32 ? Float32Array.from(a.f32) : a);
const written = (_, v) => (ArrayBuffer.isView(v) ? [...v] : v === Infinity ? "inf" : v);
const own = {
  bestOutput: async (name, ratios) => ratios.map((await import("../../gannotes/widgets/live/bounds.js")).bestOutput(name)),
  evidence(spec, weights, x, latent) {
    const game = new Game({ ...spec, seed: 0, weights: Float32Array.from(weights) }, plainKernels(), { average: 0 });
    return game.tape.frozen(() => evidence(game, game.model, game.tape.tensor(x.length, x[0].length, x.flat()), latent));
  },
};
const answers = [];
for (const { module, name, args } of JSON.parse(readFileSync(0, "utf8"))) {
  const f = module ? (await import(`../../gannotes/widgets/live/${module}.js`))[name] : own[name];
  answers.push(await f(...args.map(read)));
}
process.stdout.write(JSON.stringify(answers, written));
