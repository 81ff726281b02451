// The engine against the package: FIXTURES is a file that test_live_engine.py made. ONLY, a pattern, chooses cases, and
// these run in plain JavaScript alone.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { kernels, plainKernels } from "../../gannotes/widgets/live/kernels.js";
import { model, operation, optimiser } from "./check.js";

const wasm = readFileSync(new URL("../../gannotes/widgets/live/kernels.wasm", import.meta.url)), TOLERANCE = 1e-5;
const { operations, optimisers, steps } = JSON.parse(readFileSync(process.env.FIXTURES)), only = new RegExp(process.env.ONLY ?? "");

for (const set of process.env.ONLY ? [plainKernels()] : [kernels(wasm), plainKernels()]) {
  const run = (check, fixture, name) => {
    if (only.test(name)) test(`${name} (${set.name})`, () => {
      for (const [what, error] of Object.entries(check(fixture, set))) assert.ok(error < TOLERANCE, `${what}: off by ${error}`);
    });
  };
  operations.forEach((fixture) => run(operation, fixture, `${fixture.name} ${fixture.x.map(({ r, c }) => `${r} x ${c}`)}`));
  optimisers.forEach((fixture) => run(optimiser, fixture, fixture.rule));
  steps.forEach((fixture) => run(model, fixture, fixture.name));
}
