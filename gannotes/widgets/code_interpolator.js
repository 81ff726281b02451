// Two encoded images, and what the decoder makes of the codes between them.
import { announcer } from "./announce.js";
import { card, follow } from "./card.js";
import { chart, legend, swatch, write } from "./charts.js";
import { button, radios, setter } from "./controls.js";
import { element, symbol } from "./elements.js";
import { networks } from "./network.js";
import { clamp, decode, number } from "./numbers.js";
import { arc, dot, mix } from "./paths.js";
import { indefinite, rasterise, show, thumbnail } from "./pictures.js";
import { prefersStill, walk } from "./walk.js";

const BAND = { gap: 8, height: 46, thumb: 16 }; // of the curve below the images; of the slider's thumb, as in the style sheet
const CHANGES = "change:first change:second change:t change:great_circle";
const LAP = 4; // seconds of a walk
const PATHS = ["straight line", "great circle"];
const GRID = Array.from({ length: 65 }, (_, i) => i / 64);

const length = (z) => Math.sqrt(dot(z, z));

// Everything about the images: originals and what the decoder makes of codes, as canvases of their own size.
function album(model) {
  const shape = model.get("shape"), [channels, h, w] = shape, size = channels * h * w, [low, high] = model.get("limits");
  const N = model.get("view").classes.length, [decoder] = networks(model, [model.get("layers").length]);
  const bytes = decode(model.get("images"), "uint8"), flat = decode(model.get("codes"), model.get("dtype")), k = flat.length / N;
  const codes = Array.from({ length: N }, (_, i) => Array.from(flat.subarray(i * k, (i + 1) * k)));
  const fresh = () => element("canvas", { width: w, height: h });
  const decoded = (canvas, z) => {
    const x = decoder(Float32Array.from(z));
    return rasterise(canvas, shape, (i) => (x[i] - low) / (high - low));
  };
  const originals = codes.map((_, n) => rasterise(fresh(), shape, (i) => bytes[n * size + i] / 255));
  return { h, w, k, N, codes, decoder, fresh, decoded, originals, reconstructions: codes.map((z) => decoded(fresh(), z)) };
}

// The ends and the path, as the traits say.
function pathOf(model, codes) {
  const ends = () => [codes[model.get("first")], codes[model.get("second")]];
  const along = (t) => (model.get("great_circle") ? arc : mix)(...ends(), t);
  const lengths = (path) => GRID.map((s) => length(path(...ends(), s)));
  return { along, lengths };
}

// The originals stand at the ends, the steps between them, the length of the code below.
function place(width, steps, { h, w }) {
  const gap = width < 480 ? 2 : 4, cell = (width - (steps + 1) * gap - 2 * gap) / (steps + 2), tall = (cell * h) / w;
  return { gap, cell, tall, pitch: cell + gap, from: cell * 1.5 + 2 * gap, bottom: tall + 2 + BAND.gap + BAND.height };
}

// The length of the code along both paths, with a dot at t.
function drawLengths(context, ink, box, steps, k, { great, t, path }) {
  const lengths = [mix, arc].map(path.lengths), top = box.tall + 2 + BAND.gap, root = Math.sqrt(k);
  const middle = (s) => box.from + s * (steps - 1) * box.pitch;
  const most = 1.12 * Math.max(root, ...lengths.flat()), Y = (v) => box.bottom - (v / most) * (box.bottom - top);
  const line = (xs, values, colour, thick, dash) => {
    context.beginPath();
    values.forEach((v, i) => context.lineTo(middle(xs[i]), Y(v)));
    context.strokeStyle = ink(colour);
    context.lineWidth = thick;
    context.setLineDash(dash);
    context.stroke();
    context.setLineDash([]);
  };
  line([0, 1], [0, 0], "--gn-line", 1, []);
  line([0, 1], [root, root], "--gn-best", 1.25, [2, 4]);
  line(GRID, lengths[+!great], "--gn-muted", 1.25, [5, 4]);
  line(GRID, lengths[+great], "--gn-q", 2.25, []);
  context.fillStyle = ink("--gn-muted");
  write(context, "\u2016z\u2016", middle(0) - 10, Y(most / 2) + 4, "right");
  write(context, `\u221a${k}`, middle(1) + 10, Y(root) + 4, "left");
  context.strokeStyle = ink("--gn-accent");
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(middle(t), box.tall + 2);
  context.lineTo(middle(t), box.bottom);
  context.stroke();
  context.beginPath();
  context.arc(middle(t), Y(length(path.along(t))), 4, 0, 7);
  context.fillStyle = ink("--gn-q");
  context.fill();
}

// The strip of images, decoded again when the ends or the path change; a frame marks t.
function strip(model, images, path, steps, box, placed) {
  const cells = Array.from({ length: steps }, images.fresh);
  let decodedFor = "";
  const decode = () => {
    const key = ["first", "second", "great_circle"].map((trait) => model.get(trait)).join();
    if (key !== decodedFor) cells.forEach((canvas, i) => images.decoded(canvas, path.along(i / (steps - 1))));
    decodedFor = key;
  };
  const height = (width) => Math.ceil(place(width, steps, images).bottom) + 2;
  return chart(height, (context, width, ink) => {
    const { gap, cell, tall, pitch, from } = Object.assign(box, place(width, steps, images)), t = model.get("t");
    decode();
    context.imageSmoothingEnabled = model.get("smooth") || cell * (window.devicePixelRatio || 1) < 2 * images.w;
    context.imageSmoothingQuality = "high";
    const put = (canvas, x) => context.drawImage(canvas, x, 1, cell, tall);
    put(images.originals[model.get("first")], 0);
    cells.forEach((canvas, i) => put(canvas, from - cell / 2 + i * pitch));
    put(images.originals[model.get("second")], width - cell);
    drawLengths(context, ink, box, steps, images.k, { great: model.get("great_circle"), t, path });
    context.strokeStyle = ink("--gn-accent");
    context.lineWidth = 2.5;
    context.strokeRect(from + t * (steps - 1) * pitch - cell / 2 - 0.25 - gap / 2, 1.5, cell + gap + 0.5, tall - 1);
    placed(`${from - BAND.thumb / 2}px`, `${(steps - 1) * pitch + BAND.thumb}px`);
  });
}

// The images to choose from, each above its reconstruction, once for either end.
function gallery(model, images, trait, words, pick) {
  const { classes, name } = model.get("view"), smooth = model.get("smooth");
  const both = (n) => [images.originals, images.reconstructions].map((list) => show(thumbnail(smooth), list[n]));
  const group = radios({
    legend: words, group: trait, kind: "gn-gallery", pick: (n) => pick({ [trait]: n }),
    options: classes.map((_, n) => element("span", {}, ...both(n))), names: classes.map((label, n) => `${name} ${n + 1}, ${indefinite(label)}`),
  });
  return { node: group.node, show: () => group.show(model.get(trait)) };
}

// A pointer on the strip, and the walk from here to the end or from the start again.
function motion(model, set, rested) {
  let t = 0;
  const moving = walk((seconds) => {
    t = Math.min(1, t + seconds / LAP);
    model.set("t", t);
    return t < 1;
  }, (running) => {
    control.textContent = running ? "Pause" : "Walk";
    if (!running) rested();
  });
  const stop = () => {
    moving.stop();
    control.textContent = "Walk";
  };
  const go = (change) => {
    stop();
    set(change);
  };
  const play = () => {
    if (prefersStill()) return go({ t: model.get("t") < 1 ? 1 : 0 });
    t = model.get("t") < 1 ? model.get("t") : 0;
    moving.start();
  };
  const control = button("Walk", () => (moving.running ? moving.end() : play()));
  return { control, go, stop, get running() { return moving.running; } };
}

function pointing(stage, canvas, box, steps, go) {
  const point = (event) => go({ t: clamp((event.clientX - canvas.getBoundingClientRect().left - box.from) / ((steps - 1) * box.pitch), 0, 1) });
  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    stage.setPointerCapture(event.pointerId);
    point(event);
  });
  stage.addEventListener("pointermove", (event) => stage.hasPointerCapture(event.pointerId) && point(event));
}

function render({ model, el }) {
  const { classes, name, steps } = model.get("view"), images = album(model), path = pathOf(model, images.codes), box = {}, voice = announcer();
  const start = Object.fromEntries(["first", "second", "t", "great_circle"].map((trait) => [trait, model.get(trait)]));
  const moving = motion(model, setter(model), () => {
    model.save_changes();
    refresh();
  }), { control, go, stop } = moving;
  const time = element("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": "t", oninput: () => go({ t: +time.value }) });
  const picture = strip(model, images, path, steps, box, (marginLeft, width) => Object.assign(time.style, { marginLeft, width }));
  const { canvas, stage } = picture;
  pointing(stage, canvas, box, steps, go);

  const galleries = [["first", "from"], ["second", "to"]].map(([trait, words]) => gallery(model, images, trait, words, go));
  const paths = radios({ legend: "path", group: "path", hidden: true, options: PATHS.map((words) => element("span", {}, words)), pick: (i) => go({ great_circle: i === 1 }) });
  const swap = () => go({ first: model.get("second"), second: model.get("first"), t: 1 - model.get("t") });

  const big = element("canvas", { width: images.w, height: images.h, role: "img", class: model.get("smooth") ? "" : "gn-pixels" });
  const clock = element("output", { class: "gn-value" }), norm = element("span", {}), drawn = [element("span", {}), element("span", {})];
  const refresh = () => {
    const t = model.get("t"), z = path.along(t), great = model.get("great_circle");
    const [a, b] = ["first", "second"].map((trait) => indefinite(classes[model.get(trait)]));
    images.decoded(big, z);
    galleries.forEach((g) => g.show());
    paths.show(+great);
    time.value = t;
    clock.value = number(t);
    norm.textContent = number(length(z));
    drawn.forEach((node, i) => (node.textContent = PATHS[i ? +!great : +great]));
    const words = `t = ${number(t)} on the ${PATHS[+great]} from ${a} to ${b}`;
    time.setAttribute("aria-valuetext", words);
    big.setAttribute("aria-label", `Image decoded at ${words}`);
    canvas.setAttribute("aria-label", `${steps} images from ${a} to ${b} on the ${PATHS[+great]}, between the two originals; a frame at t = ${number(t)}; below, the length of the code, ${number(length(z))} here`);
    picture.paint();
    if (!moving.running) voice.say(words);
  };
  // The page owns z; a kernel reads it.
  const share = () => {
    refresh();
    model.set("z", path.along(model.get("t")));
  };
  card(model, el, "interpolator", "Interpolation between codes",
    element("div", { class: "gn-body" },
      element("figure", { class: "gn-big" }, big, element("figcaption", {}, symbol("G"), "(", symbol("z_t"), ") at ", symbol("t"), " = ", clock)),
      element("div", { class: "gn-path" }, stage, time,
        legend([swatch("--gn-q", { width: 2.25 }), "length of ", symbol("z_t"), ", ", drawn[0], ": ", norm],
          [swatch("--gn-muted", { dash: "5 4", width: 1.25 }), drawn[1]], [swatch("--gn-best", { dash: "2 4", width: 1.25 }), `\u221a${images.k}, the prior's`]),
        element("div", { class: "gn-buttons" }, control, button("Swap", swap), button("Reset", () => go(start)), paths.node))),
    ...galleries.map((g) => g.node),
    element("p", { class: "gn-note" }, `Above, the ${name}; below, its reconstruction.`), voice.node);
  big.gannotes = { forward: (z) => Array.from(images.decoder(Float32Array.from(z))) };
  canvas.gannotes = { along: path.along, box };
  return follow(model, CHANGES, share, stop, voice.stop, picture.stop);
}

export default { render };
