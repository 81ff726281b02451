// The engine against the package: FIXTURES is a file that test_live_engine.py made, ENGINE another copy of the engine (a mutant).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { kernels, plainKernels } from "../../gannotes/widgets/live/kernels.js";
import { model, operation, optimiser } from "./check.js";

const path = process.env.FIXTURES, wasm = readFileSync(new URL("../../gannotes/widgets/live/kernels.wasm", import.meta.url));
const fixtures = path ? JSON.parse(readFileSync(path)) : { operations: [], optimisers: [], steps: [] }, TOLERANCE = 1e-5;

for (const set of [kernels(wasm), plainKernels()]) {
  const run = (name, check, fixture) => test(`${name} (${set.name})`, () => {
    for (const [what, error] of Object.entries(check(fixture, set))) assert.ok(error < TOLERANCE, `${what}: off by ${error}`);
  });
  fixtures.operations.forEach((fixture) => run(`${fixture.name} ${fixture.x.map(({ r, c }) => `${r} x ${c}`)}`, operation, fixture));
  fixtures.optimisers.forEach((fixture) => run(fixture.rule, optimiser, fixture));
  fixtures.steps.forEach((fixture) => run(fixture.name, model, fixture));
}
