// A model that trains in the page: pictures, charts and controls around one game in the engine.
import { announcer } from "./announce.js";
import { card } from "./card.js";
import { chart } from "./charts.js";
import { button } from "./controls.js";
import { element } from "./elements.js";
import { bytes, text } from "./embed.js";
import { address } from "./live/ui/address.js";
import { algorithm } from "./live/ui/algorithm.js";
import { FACE, drawing } from "./live/ui/drawing.js";
import { form } from "./live/ui/form.js";
import { historyChart, record } from "./live/ui/history.js";
import { chartsOf, rowOf, summary } from "./live/ui/quantities.js";
import { session } from "./live/ui/session.js";
import { lookOf, settingsOf, specOf, weightsOf } from "./live/ui/spec.js";
import { RESTARTING, slug } from "./live/ui/state.js";
import { viewsOf } from "./live/ui/views.js";
import { prefersStill } from "./walk.js";

const ENGINE = text(new URL("./live/worker.js", import.meta.url)), WASM = bytes(new URL("./live/kernels.wasm", import.meta.url));
const SLOW = 12, QUIET = 4000; // steps a second below which a turn can be seen; milliseconds between two announcements

// What a model's traits say, and what follows from them.
function read(model) {
  const [spec, datasets, presets, controls, layers, show, name, settings] = ["spec", "datasets", "presets", "controls", "layers", "show", "name", "settings"].map((key) => model.get(key));
  const { means, points, law } = spec.data, d = (means ?? points)?.[0].length ?? 2;
  const first = { ...settings, points: FACE, layers: show.join(",") };
  return { spec, datasets, presets, controls, name, first, d, layers: d === 1 && spec.model === "gan" ? [] : layers, weights: weightsOf(model.get("start")) };
}

function render({ model, el }) {
  const figure = read(model), { spec, controls, name, first, presets, d } = figure, kind = spec.model;
  const state = { ...first }, has = (control) => controls.includes(control);
  const rows = record(), say = announcer();
  const scene = { layers: null, window: null, windows: {}, on: (layer) => state.layers.split(",").includes(layer), get bound() { return state.bound; }, get pen() { return pen.pen; } };
  const pictures = viewsOf(kind, d).map(({ title, height, draw }) => ({ title, ...chart(height, (context, width, ink) => scene.layers && draw(context, width, ink, scene)) }));
  const charts = chartsOf(kind, state).map(([title, lines]) => historyChart(rows, title, lines));
  const lines = algorithm(kind, state), caption = element("p", { class: "gn-caption" }), trouble = element("p", { class: "gn-note gn-trouble", role: "alert", hidden: true });
  let spoken = 0, ready = false, frame = 0;

  const pen = drawing({
    canvas: pictures[0].canvas, window: [[-2.4, 2.4], [-2.4, 2.4]], get: () => state.points, moved: () => pictures[0].paint(),
    put(points, done) {
      state.points = points;
      if (done) changed("points");
      else if (scene.layers) {
        scene.layers = { ...scene.layers, data: { x: Float32Array.from(points) } };
        pictures[0].paint();
      }
    },
  });
  const game = session({
    text: ENGINE, wasm: WASM,
    ask: () => ({ spec: specOf(state, figure), settings: settingsOf(state), look: lookOf(state, figure) }),
    on: {
      ready(message) {
        rows.clear();
        Object.assign(scene, { window: message.window, layers: null });
      },
      frame(message) {
        scene.layers = message.layers;
        rows.add(rowOf(message));
        root.dataset.step = message.step;
        const slow = state.speed > 0 && state.speed < SLOW;
        lines.light(message.played ?? (message.playing && !slow ? null : message.next));
        frame ||= requestAnimationFrame(paint);
      },
      done: () => tell(`Stopped after ${root.dataset.step} steps; Play goes on.`),
      stopped: ({ message }) => tell(`Stopped before any weight was touched: ${message}.`),
      playing(on) {
        play.textContent = on ? "Pause" : "Play";
        if (on) tell("");
      },
      weights({ average, step }) {
        model.set({ weights: new DataView(average.buffer), step });
        model.save_changes();
      },
    },
  });
  function paint() {
    frame = 0;
    const words = summary(rows, Number(root.dataset.step));
    caption.textContent = words;
    pictures.forEach((picture) => {
      picture.canvas.setAttribute("aria-label", `${picture.title}. ${words}`);
      picture.paint();
    });
    charts.forEach((each) => each.show());
    if (performance.now() - spoken > QUIET || !game.playing) {
      spoken = performance.now();
      say.say(words);
    }
  }
  function tell(words) {
    trouble.hidden = !words;
    trouble.textContent = words;
  }

  // What the reader has changed reaches the engine, the address and the other controls.
  function changed(...keys) {
    settings.show(state);
    lines.write();
    pen.enable(state.data === "drawn");
    clear.hidden = state.data !== "drawn";
    if (keys.some((key) => RESTARTING.includes(key))) begin();
    else if (game.opened) {
      game.set(settingsOf(state));
      if (keys.includes("layers")) game.look(lookOf(state, figure));
    }
    pace();
    where.write();
  }
  const pace = () => game.speed(state.speed, prefersStill() ? 1000 : 33);
  function begin() {
    tell("");
    game.restart();
  }
  function adopt(next) {
    Object.assign(state, next);
    changed("seed");
  }
  const settings = form({ controls, datasets: figure.datasets, layers: has("layers") ? figure.layers : [], model: kind, d, change(key, value) {
    state[key] = value;
    changed(key);
  } });
  const where = address({ name, first, presets, get: () => state, adopt, show: () => root.scrollIntoView({ block: "nearest" }) });

  const play = button("Play", () => (game.playing ? game.pause() : game.play()));
  play.classList.add("gn-play");
  const clear = button("Clear the drawing", pen.clear);
  const buttons = element("div", { class: "gn-buttons" }, play,
    ...(has("phase") ? [button("Next phase", game.phase)] : []), button("Start again", begin), ...settings.node(["hold"]),
    ...(has("copy") ? [button("Copy address", () => where.copy().then(tell))] : []), clear);
  const chosen = element("div", { class: "gn-buttons gn-presets", role: "group", "aria-label": "Presets" },
    ...Object.keys(presets).map((key) => button(key, () => adopt({ ...first, ...presets[key] }))));
  const main = settings.node(["data", "bound", "speed"]), few = controls.length <= 4;
  const more = settings.node(["noise", "K", "phi", "theta", "gamma", "lam", "beta", "N_z", "contrast", "batch", "rule", "momentum", "fall", "average", "width", "seed", "flip", "together"]);
  const folded = element("details", { class: "gn-more" }, element("summary", {}, "Settings and layers"),
    element("div", { class: "gn-settings" }, ...more), ...(has("layers") ? [settings.layerBoxes] : []));
  const root = card(model, el, "live", `Train a ${kind} in the page`,
    element("div", { class: "gn-live-body" },
      element("div", { class: "gn-pictures" }, ...pictures.map(({ stage }) => stage), caption),
      element("div", { class: "gn-charts" }, ...charts.map(({ node }) => node), lines.node)),
    buttons, ...(Object.keys(presets).length ? [chosen] : []), element("div", { class: "gn-buttons" }, ...main),
    ...(few ? more : [folded]), trouble, say.node);
  Object.assign(root.dataset, { live: name, step: 0 });
  root.id = `live-${name}`;
  const seen = new IntersectionObserver(([{ isIntersecting }]) => (isIntersecting ? game.open() : game.pause()), { rootMargin: "200px" });
  seen.observe(root);
  const hide = () => document.hidden && game.pause();
  document.addEventListener("visibilitychange", hide);
  Object.assign(state, where.read());
  changed();
  return () => {
    document.removeEventListener("visibilitychange", hide);
    [seen.disconnect.bind(seen), where.stop, say.stop, game.close, ...pictures.map(({ stop }) => stop), ...charts.map(({ stop }) => stop)].forEach((stop) => stop());
  };
}
export default { render };
