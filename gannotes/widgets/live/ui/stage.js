// What is seen of a game: its pictures, charts, the line of numbers and the algorithm; all follow the frames of the engine.
import { chart } from "../../charts.js";
import { element } from "../../elements.js";
import { algorithm } from "./algorithm.js";
import { historyChart, record } from "./history.js";
import { pointing } from "./pointing.js";
import { chartsOf, rowOf, summary } from "./quantities.js";
import { viewsOf } from "./views.js";

const SLOW = 12; // steps a second, below which every turn is shown

// `state` is the reader's; `pen()` where the reader draws; `drawn(words)` hears the line of numbers after each picture.
export function stage({ kind, d, state, pen, drawn }) {
  const rows = record(), lines = algorithm(kind, state), caption = element("p", { class: "gn-caption" });
  const scene = { layers: null, window: null, other: null, on: (layer) => state.layers.split(",").includes(layer), get bound() { return state.bound; }, get pen() { return pen(); }, last: rows.last, pointed: null };
  const pictures = viewsOf(kind, d).map(({ title, height, draw, marks }) => ({ title, marks, ...chart(height, (context, width, ink) => scene.layers && draw(context, width, ink, scene)) }));
  const charts = chartsOf(kind, state, rows).map(([title, quantities]) => historyChart(rows, title, quantities));
  const node = element("div", { class: `gn-live-body gn-${pictures.length}${d === 1 ? " gn-line" : ""}` },
    element("div", { class: "gn-pictures" }, ...pictures.map((picture) => picture.stage), caption),
    element("div", { class: "gn-charts" }, ...charts.map((each) => each.node), lines.node));
  for (const { canvas, title, marks } of pictures) {
    canvas.setAttribute("aria-label", title);
    if (!marks) continue;
    pointing({
      canvas, marks: () => scene.layers && { at: marks.at(scene.layers), window: marks.window(scene) },
      light(k, keys) {
        scene.pointed = k === null ? null : { of: marks.of, k, words: marks.words };
        told ||= keys;
        paint();
      },
    });
  }
  let waiting = 0, step = 0, told = true;
  function paint() {
    waiting = 0;
    const { pointed } = scene, words = [summary(rows, step), ...(pointed ? [pointed.words(scene.layers, pointed.k)] : [])].join(" \u00b7 ");
    caption.textContent = words;
    pictures.forEach((picture) => picture.paint());
    if (!told) return;
    told = false;
    for (const { canvas, title } of pictures) canvas.setAttribute("aria-label", `${title}. ${words}`);
    charts.forEach((each) => each.show());
    drawn(words);
  }
  return {
    node, canvas: pictures[0].canvas, write: lines.write, paint: () => pictures[0].paint(),
    ready({ window, other }) {
      rows.clear();
      Object.assign(scene, { window, other, layers: null, pointed: null });
    },
    frame(message) {
      scene.layers = message.layers;
      step = message.step;
      rows.add(rowOf(message));
      told ||= !message.playing || message.numbers !== null; // charts follow the numbers, pictures every frame
      const fast = message.playing && !(state.speed > 0 && state.speed < SLOW);
      lines.light(fast ? null : message.played ?? message.next);
      waiting ||= requestAnimationFrame(paint);
    },
    // Data that are being drawn.
    sketch(points) {
      if (!scene.layers) return;
      scene.layers = { ...scene.layers, data: { x: Float32Array.from(points) } };
      pictures[0].paint();
    },
    stop: () => [...pictures, ...charts].forEach((each) => each.stop()),
  };
}
