// A pad to draw on, what a translator makes of it, and what comes back.
import { announcer } from "./announce.js";
import { card, follow } from "./card.js";
import { button, radios, setter } from "./controls.js";
import { element, symbol } from "./elements.js";
import { networks } from "./network.js";
import { clamp, decode, number } from "./numbers.js";
import { drawingPad } from "./pad.js";
import { indefinite, rasterise, show, thumbnail } from "./pictures.js";

// The pictures of both domains and the translators between them, which read and write shares of ink, 0 to 1.
function domains(model) {
  const [, h, w] = model.get("shape"), area = h * w, N = model.get("view").classes.length, [low, high] = model.get("limits");
  const forwards = networks(model, model.get("generators").map(([, depth]) => depth)), pictures = decode(model.get("examples"), "uint8");
  const picture = (domain, n) => pictures.slice((domain * N + n) * area, (domain * N + n + 1) * area);
  const translate = (domain, shares) => {
    const y = forwards[domain](shares.map((v) => low + (high - low) * v));
    return Float32Array.from(y, (v) => clamp((v - low) / (high - low), 0, 1));
  };
  const error = (a, b) => a.reduce((sum, v, i) => sum + Math.abs(v - b[i]), 0) / area;
  return { size: [h, w], area, picture, translate, error, forwards };
}
const shares = (bytes) => Float32Array.from(bytes, (v) => v / 255);

// What is on the pad, and how a choice changes it.
function sheet(model, { area, picture, translate }) {
  const start = Object.fromEntries(["ink", "example", "backwards"].map((trait) => [trait, model.get(trait)])), set = setter(model);
  const ink = () => decode(model.get("ink"), "uint8"), here = () => +model.get("backwards");
  const put = (bytes, example) => ({ ink: new DataView(Uint8Array.from(bytes).buffer), example });
  // The other way round: an example becomes its partner, a drawing what it was translated into.
  const turn = (domain) => {
    const n = model.get("example"), from = here();
    if (domain === from) return;
    const bytes = n < 0 ? translate(from, shares(ink())).map((v) => Math.round(255 * v)) : picture(1 - from, n);
    set({ ...put(bytes, n), backwards: domain === 1 });
  };
  const pick = (n) => set(put(picture(here(), n), n)), clear = () => set(put(new Uint8Array(area), -1));
  return { ink, here, pick, clear, turn, reset: () => set(start), draw: (bytes) => model.set(put(bytes, -1)) };
}

// The three pictures in words: their captions, and what a screen reader says.
function describe({ names, classes }, domain, n, empty, off, home) {
  const called = `${n + 1} of ${classes.length}${classes[n] ? `, ${indefinite(classes[n])}` : ""}`, [own, other] = [names[domain], names[1 - domain]];
  const from = n >= 0 ? `${own} ${called}` : empty ? `an empty pad: draw ${indefinite(own)}` : `your ${own}`;
  const [G, F, v] = (domain ? ["F", "G", "y"] : ["G", "F", "x"]).map((name) => () => symbol(name));
  const captions = [
    [[v(), `: ${own}`], n >= 0 ? called : empty ? `draw ${indefinite(own)} here` : "drawn by you"],
    [[G(), "(", v(), `): ${other}`], off],
    [[F(), "(", G(), "(", v(), `)): ${own}`], home],
  ];
  const labels = [from, `${other} made of ${from}${off && `, mean error per pixel ${off}`}`, `${own} made of that ${other}${home && `, mean error per pixel ${home}`}`];
  return { from, captions, labels };
}

// The controls beside the pad.
function choices({ names, classes }, { size, picture }, { turn, pick }) {
  const words = [0, 1].map((domain) => [names[domain], names[1 - domain], names[domain]].join(" \u2192 "));
  const ways = radios({ legend: "direction", group: "way", hidden: true, kind: "gn-ways", options: words.map((text) => element("span", {}, text)), names: words, pick: turn });
  const scratch = element("canvas", { width: size[1], height: size[0] });
  const image = (domain, n) => {
    const bytes = picture(domain, n);
    return show(thumbnail(false), rasterise(scratch, [1, ...size], (i) => bytes[i] / 255));
  };
  const gallery = radios({
    legend: "pairs", group: "example", kind: "gn-gallery", options: classes.map((_, n) => element("span", {}, image(0, n), image(1, n))),
    names: classes.map((label, n) => `pair ${n + 1} of ${classes.length}${label ? `, ${indefinite(label)}` : ""}`), pick,
  });
  return { ways, gallery };
}

function render({ model, el }) {
  const view = model.get("view"), world = domains(model), { size, picture, translate, error } = world, voice = announcer();
  const page = sheet(model, world), { node, canvases: [canvas, made, back], pen, eraser, still, clear, reset, showPen } = drawingPad(model, page, {
    size, margin: view.margin, names: ["pad", "made", "back"],
    radius: (erasing) => (erasing ? 1.5 * Math.max(...view.pens) : view.pens[page.here()]), refresh: () => refresh(),
  });
  const { ways, gallery } = choices(view, world, { turn: still(page.turn), pick: page.pick });

  const figures = [node, made, back].map((image) => ({ image, caption: element("figcaption", {}) }));
  const refresh = () => {
    const domain = page.here(), n = model.get("example"), x = shares(page.ink()), y = translate(domain, x), z = translate(1 - domain, y);
    const empty = !x.some((v) => v > 0), home = empty ? "" : `${number(error(x, z), 3)} from where it began`;
    const off = n >= 0 ? `${number(error(y, shares(picture(1 - domain, n))), 3)} from the true one` : "";
    const { from, captions, labels } = describe(view, domain, n, empty, off, home);
    [[canvas, x], [made, y], [back, z]].forEach(([image, values], k) => {
      rasterise(image, [1, ...size], (i) => values[i]);
      image.setAttribute("aria-label", labels[k]);
      figures[k].caption.replaceChildren(element("span", {}, ...captions[k][0]), element("span", { class: "gn-muted" }, captions[k][1]));
    });
    ways.show(domain);
    gallery.show(n);
    voice.say(`${from}${home && `; after the way there and back ${home}`}${showPen()}`);
  };
  card(model, el, "translator", "Translation between two domains", ways.node,
    element("div", { class: "gn-chain" }, ...figures.map(({ image, caption }) => element("figure", {}, image, caption))),
    element("div", { class: "gn-buttons" }, button("Clear", clear), button("Reset", reset), eraser.node,
      element("span", { class: "gn-muted gn-hint" }, "Draw with the pointer, or with arrow keys and Space. Errors are means of |difference| per pixel.")),
    gallery.node, voice.node);
  [made, back].forEach((image, k) => (image.gannotes = { forward: (z) => Array.from(world.forwards[k](Float32Array.from(z))) }));
  canvas.gannotes = { pen };
  return follow(model, "change", refresh, voice.stop);
}

export default { render };
