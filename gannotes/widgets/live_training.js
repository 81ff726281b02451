// A model that trains in the page: pictures, charts and controls around one game in the engine.
import { announcer } from "./announce.js";
import { card } from "./card.js";
import { button } from "./controls.js";
import { element } from "./elements.js";
import { bytes, text } from "./embed.js";
import { address } from "./live/ui/address.js";
import { FACE, drawing } from "./live/ui/drawing.js";
import { form } from "./live/ui/form.js";
import { session } from "./live/ui/session.js";
import { WINDOW, lookOf, settingsOf, specOf, weightsOf } from "./live/ui/spec.js";
import { stage } from "./live/ui/stage.js";
import { RESTARTING, encode } from "./live/ui/state.js";
import { prefersStill } from "./walk.js";

const ENGINE = text(new URL("./live/worker.js", import.meta.url)), WASM = bytes(new URL("./live/kernels.wasm", import.meta.url));
const QUIET = 4000; // milliseconds between two announcements
const NAMES = { gan: "a GAN", infogan: "an InfoGAN", cyclegan: "a CycleGAN", vae: "a VAE", ali: "an ALI", avb: "an AVB" };

// What a model's traits say, and what follows from them.
function read(model) {
  const of = (names) => Object.fromEntries(names.map((name) => [name, model.get(name)]));
  const figure = of(["spec", "datasets", "presets", "controls", "name"]), { means, points } = figure.spec.data;
  const order = model.get("order") ?? Object.keys(figure.presets), presets = Object.fromEntries(order.map((name) => [name, figure.presets[name]]));
  const kind = figure.spec.model, d = (means ?? points)?.[0].length ?? 2, onTheLine = kind === "gan" && d === 1;
  const first = { ...model.get("settings"), points: FACE, layers: model.get("show").join(",") };
  return { ...figure, presets, kind, d, first, layers: onTheLine ? [] : model.get("layers"), weights: weightsOf(model.get("start")) };
}

// A note that is seen and, politely, heard.
function notes() {
  const say = announcer(), seen = element("p", { class: "gn-note gn-trouble", hidden: true });
  let spoken = 0;
  return {
    nodes: [seen, say.node], stop: say.stop,
    tell(words) {
      seen.hidden = !words;
      seen.textContent = words;
      if (words) say.now(words);
    },
    // The numbers of a picture, now and then.
    murmur(words) {
      if (!seen.hidden || performance.now() - spoken < QUIET) return;
      spoken = performance.now();
      say.say(words);
    },
  };
}

// Buttons for the presets; the one whose settings are in force is pressed.
function presetButtons({ presets, first }, adopt) {
  const chosen = Object.entries(presets).map(([name, preset]) => [{ ...first, ...preset }, button(name, () => adopt({ ...first, ...preset }))]);
  const node = element("div", { class: "gn-buttons gn-presets", role: "group", "aria-label": "Presets", hidden: !chosen.length }, ...chosen.map(([, each]) => each));
  const show = (state) => chosen.forEach(([wanted, each]) => each.setAttribute("aria-pressed", encode(state, first) === encode(wanted, first)));
  return { node, show };
}

// Play and what stands beside it.
function playButtons(game, { controls }, { hold, copy, restart }) {
  const play = button("Play", () => (game.playing ? game.pause() : game.play())), has = (name) => controls.includes(name);
  play.classList.add("gn-play");
  const node = element("div", { class: "gn-buttons" }, play, ...(has("phase") ? [button("Next phase", game.phase)] : []),
    button("Start again", restart), ...hold, ...(has("copy") ? [button("Copy address", copy)] : []));
  return { node, show: (on) => (play.textContent = on ? "Pause" : "Play") };
}

// Ends the play where nobody looks, and opens the engine where somebody does.
function watch(root, game) {
  const seen = new IntersectionObserver((entries) => (entries.at(-1).isIntersecting ? game.open() : game.pause()), { rootMargin: "100px" });
  const hide = () => document.hidden && game.pause();
  seen.observe(root);
  document.addEventListener("visibilitychange", hide);
  return () => {
    seen.disconnect();
    document.removeEventListener("visibilitychange", hide);
  };
}

function render({ model, el }) {
  const figure = read(model), { name, first, controls } = figure, state = { ...first }, { nodes, tell, murmur, stop } = notes();
  const view = stage({ ...figure, state, pen: () => pen.pen, drawn: murmur });
  const pen = drawing({ canvas: view.canvas, window: WINDOW, get: () => state.points, moved: view.paint, put(points, done) {
    state.points = points;
    if (done) changed("points");
    else view.sketch(points);
  } });
  const game = session({ text: ENGINE, wasm: WASM,
    ask: () => ({ spec: specOf(state, figure), settings: settingsOf(state), look: lookOf(state, figure) }),
    on: {
      ready: view.ready,
      frame(message) {
        root.dataset.step = message.step;
        view.frame(message);
      },
      done: ({ step }) => tell(`It stopped by itself after ${step} steps. Play goes on.`),
      stopped: ({ message }) => tell(`It stopped before a weight was touched: ${message}.`),
      playing(on) {
        plays.show(on);
        if (on) tell("");
      },
      weights({ average, step }) {
        model.set({ learnt: new DataView(average.buffer), step });
        model.save_changes();
      },
    } });
  // What is set reaches the controls, the engine and the address.
  function changed(...keys) {
    [settings, presets].forEach((each) => each.show(state));
    view.write();
    pen.enable(state.data === "drawn");
    clear.hidden = state.data !== "drawn";
    game.speed(state.speed, prefersStill() ? 1000 : 33);
    if (keys.some((key) => RESTARTING.includes(key))) restart();
    else if (keys.length) game.set(settingsOf(state), lookOf(state, figure));
    if (keys.length) where.write();
  }
  function restart() {
    tell("");
    game.restart();
  }
  function adopt(next) {
    Object.assign(state, next);
    changed("seed");
  }
  const settings = form({ ...figure, change(key, value) {
    state[key] = value;
    changed(key);
  } });
  const where = address({ ...figure, get: () => state, adopt, show: () => root.scrollIntoView({ block: "nearest" }) });
  const presets = presetButtons(figure, adopt), clear = button("Clear the drawing", pen.clear);
  const plays = playButtons(game, figure, { hold: settings.nodes("hold"), restart, copy: () => where.copy().then(tell) });
  const root = card(model, el, "live", `${NAMES[figure.kind]} that trains in the page`, view.node, plays.node, presets.node,
    element("div", { class: "gn-buttons gn-menus" }, ...settings.nodes("data", "bound", "speed"), clear), settings.rest(controls.length > 4), ...nodes);
  Object.assign(root.dataset, { live: name, step: 0 });
  root.id = `live-${name}`;
  Object.assign(state, where.read());
  changed();
  const stops = [watch(root, game), where.stop, stop, game.close, view.stop];
  return () => stops.forEach((each) => each());
}
export default { render };
