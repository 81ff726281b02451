// Generators that the reader moves: sliders and buttons for the code, one canvas for each generator.
import { announcer } from "./announce.js";
import { card, follow } from "./card.js";
import { generator, layout } from "./codes.js";
import { button, radios, select, slider } from "./controls.js";
import { element, symbol } from "./elements.js";
import { networks } from "./network.js";
import { decimals, nice } from "./numbers.js";
import { prefersStill, walk } from "./walk.js";

const LAP = 4; // seconds of an interpolation

// One canvas a generator. The samples of a single one fill a square; those of several stand in rows, one below the other.
function pictures(model, samples) {
  const [channels, h, w] = model.get("shape"), [low, high] = model.get("limits");
  const generators = model.get("generators") ?? [["", model.get("layers").length]]; // a state of before there were several
  const named = generators.some(([name]) => name), gap = samples > 1 ? 1 : 0, scale = 255 / (high - low);
  const across = named ? samples : Math.ceil(Math.sqrt(samples));
  const width = across * (w + gap) - gap, height = Math.ceil(samples / across) * (h + gap) - gap;
  const image = new ImageData(w, h), pixels = image.data;
  const forwards = networks(model, generators.map(([, depth]) => depth));
  const canvases = generators.map(() => element("canvas", { width, height, role: "img", class: model.get("smooth") ? "" : "gn-pixels" }));
  const contexts = canvases.map((canvas) => canvas.getContext("2d"));
  const paint = (codes) => codes.forEach((z, k) => forwards.forEach((forward, n) => {
    const x = forward(z);
    for (let i = 0; i < h * w; i++) {
      for (let c = 0; c < 3; c++) pixels[4 * i + c] = (x[channels === 1 ? i : c * h * w + i] - low) * scale;
      pixels[4 * i + 3] = 255;
    }
    contexts[n].putImageData(image, (k % across) * (w + gap), ((k / across) | 0) * (h + gap));
  }));
  const columns = Math.min(3, Math.ceil(Math.sqrt(generators.length)));
  const stage = !named ? element("div", { class: "gn-stage" }, canvases[0])
    : element("div", { class: `gn-stage ${samples > 1 ? "gn-table" : "gn-grid"}`, style: `--gn-columns: ${columns}` },
      ...generators.map(([name], n) => element("figure", {}, element("figcaption", {}, symbol(name)), canvases[n])));
  return { canvases, forwards, stage, paint, names: generators.map(([name]) => name) };
}

// The controls of the code: `change(f)` writes what f makes of a code, `shift(f)` what it makes of every image's.
function codeControls({ blocks, sliders }, change, move) {
  const choices = blocks.map((c) => {
    const group = radios({ legend: symbol(c.name), group: c.name, options: c.classes.map((name) => element("span", {}, name)), pick: (n) => change((z) => c.write(z, n)) });
    const show = (z) => {
      group.show(c.read(z));
      return `${c.name} = ${c.classes[c.read(z)]}`;
    };
    return { node: group.node, show };
  });
  const rows = sliders.map((s) => {
    const step = nice((s.high - s.low) / 100);
    const row = slider({ label: symbol(s.name), min: s.low, max: s.high, step, digits: decimals(step), input: (v) => move(s, v) });
    return { node: row.node, show: (z) => `${s.name} = ${row.show(s.read(z))}` };
  });
  const nodes = [...choices.map((c) => c.node), element("div", { class: "gn-rows" }, ...rows.map((r) => r.node))];
  return { nodes, show: (z) => [...choices, ...rows].map((control) => control.show(z)).join(", ") };
}

// From the codes on show to fresh ones; `ends` are none until it has begun.
function interpolation({ between, normal }, now, fresh, set, rested) {
  let ends = null, t = 0;
  const great = () => path?.input.selectedIndex === 1;
  const label = () => {
    time.show(t);
    time.input.disabled = !ends;
    start.textContent = moving.running ? "Pause" : ends && t < 1 && !prefersStill() ? "Continue" : "Interpolate";
  };
  const move = (to, save) => {
    t = to;
    label();
    set({ z: between(ends[0].z, ends[1].z, t, great()), rest: ends[0].rest.map((x, k) => between(x, ends[1].rest[k], t, great())) }, save);
  };
  const moving = walk((seconds) => {
    move(Math.min(1, t + seconds / LAP), false);
    return t < 1;
  }, (running) => {
    label();
    if (!running) rested();
  });
  const play = () => {
    if (!ends || t >= 1 || prefersStill()) [ends, t] = [[now(), fresh()], 0];
    if (prefersStill()) move(0.5, true);
    else moving.start();
  };
  const start = button("Interpolate", () => (moving.running ? moving.end() : play()));
  const time = slider({ label: symbol("t"), min: 0, max: 1, step: 0.01, input: (to) => {
    moving.stop();
    move(to, true);
  } });
  const path = normal ? select({ name: "Path of the interpolation", options: [["chord", "straight line"], ["arc", "great circle"]], pick: () => ends && move(t, true) }) : null;
  const forget = () => {
    moving.stop();
    [ends, t] = [null, 0];
    label();
  };
  label();
  const node = element("div", { class: "gn-buttons gn-walk" }, start, time.node, ...(path ? [path.node] : []));
  return { node, forget, stop: moving.stop, get running() { return moving.running; } };
}

function render({ model, el }) {
  const code = layout(model.get("code")), { d, draw, within } = code, voice = announcer();
  const state = () => ({ z: model.get("z"), rest: model.get("rest") }), start = state(), samples = start.rest.length + 1;
  const { canvases, forwards, stage, paint, names } = pictures(model, samples);
  let random = generator(model.get("seed")), words = "";

  // Only z is listened to, and it is set last: one change, one painting.
  const set = ({ z, rest }, save = true) => {
    model.set("rest", rest);
    model.set("z", z);
    if (save) model.save_changes();
  };
  const jump = (to) => {
    path.forget();
    set(to());
  };
  const change = (f) => jump(() => ({ z: f(model.get("z")), rest: model.get("rest") }));
  // A slider shows where the first image is, and moves the noise of all images as far.
  const move = (s, v) => jump(() => {
    const { z, rest } = state(), by = v - s.read(z);
    return { z: s.write(z, v), rest: rest.map((x) => s.shift(x, by)) };
  });
  const fresh = () => {
    const { z, rest } = state();
    return { z: draw(z, random), rest: rest.map((x) => draw(x, random)) };
  };
  const reset = () => {
    random = generator(model.get("seed"));
    return start;
  };
  const path = interpolation(code, state, fresh, set, () => {
    model.save_changes();
    voice.now(words);
  });
  const controls = codeControls(code, change, move);

  const what = samples > 1 ? `${samples} generated images` : "Generated image";
  const refresh = () => {
    const { z, rest } = state();
    words = `${what} for ${controls.show(z) || "a random code"}`;
    canvases.forEach((canvas, n) => canvas.setAttribute("aria-label", names[n] ? `${names[n]}: ${words}` : words));
    paint([z, ...rest.map((x) => [...within(x), ...z.slice(d)])]);
    if (!path.running) voice.say(words);
  };
  const buttons = element("div", { class: "gn-buttons" }, button(d ? "Random noise" : "Random code", () => jump(fresh)), button("Reset", () => jump(reset)));
  card(model, el, "explorer", "Latent explorer",
    element("div", { class: "gn-body" }, stage, element("div", { class: "gn-controls" }, ...controls.nodes, buttons, path.node, voice.node)));
  canvases.forEach((canvas, n) => (canvas.gannotes = { forward: (z) => Array.from(forwards[n](Float32Array.from(z))), paint }));
  return follow(model, "change:z", refresh, path.stop, voice.stop);
}

export default { render };
