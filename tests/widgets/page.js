// What test_live_browser.py runs in a page: the checks of check.js, and a game behind openEngine.
import { bytes, text } from "../../gannotes/widgets/embed.js";
import { kernels } from "../../gannotes/widgets/live/kernels.js";
import { openEngine } from "../../gannotes/widgets/live/open.js";
import { model, operation, optimiser } from "./check.js";

const engine = text(new URL("../../gannotes/widgets/live/worker.js", import.meta.url));
const wasm = bytes(new URL("../../gannotes/widgets/live/kernels.wasm", import.meta.url));

// The largest error of all cases, and which it is.
function parity(fixtures, plain) {
  const set = kernels(plain ? null : wasm), checks = { operations: operation, optimisers: optimiser, steps: model };
  let worst = [0, ""];
  for (const [kind, check] of Object.entries(checks)) {
    for (const fixture of fixtures[kind]) {
      for (const error of Object.values(check(fixture, set))) if (error > worst[0]) worst = [error, fixture.name ?? fixture.rule];
    }
  }
  return { kernels: set.name, worst };
}

// Plays until `until`; resolves to the place, the kernels, the last frame and the weights.
async function play(spec, settings, until, { worker, plain }) {
  const seen = {};
  await new Promise((resolve, reject) => {
    const opened = openEngine(engine, (message) => {
      seen[message.type] = message;
      if (message.type === "done") opened.send({ type: "weights" });
      if (message.type === "weights") resolve(opened.close());
      if (message.type === "stopped") reject(new Error(message.message));
    }, { worker });
    opened.place.then((place) => (seen.place = place));
    opened.send({ type: "start", spec, settings, look: { layers: ["samples", "critic"] }, wasm: plain ? null : wasm });
    opened.send({ type: "play", until });
  });
  return { place: seen.place, kernels: seen.ready.kernels, step: seen.frame.step, weights: [...seen.weights.values] };
}

export default { parity, play };
