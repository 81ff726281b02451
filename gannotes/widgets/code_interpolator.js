// Two encoded images, and what the decoder makes of the codes between them.

const BAND = { gap: 8, height: 46, thumb: 16 }; // of the curve below the images; of the slider's thumb, as in the style sheet
const CHANGES = "change:first change:second change:t change:great_circle";

function render({ model, el }) {
  const { classes, name, steps } = model.get("view"), shape = model.get("shape"), [channels, h, w] = shape, size = channels * h * w;
  const [low, high] = model.get("limits"), smooth = model.get("smooth"), N = classes.length;
  const start = { first: model.get("first"), second: model.get("second"), t: model.get("t"), great_circle: model.get("great_circle") };
  const [decoder] = networks(model, [model.get("layers").length]);
  const bytes = decode(model.get("images"), "uint8"), flat = decode(model.get("codes"), model.get("dtype")), k = flat.length / N;
  const codes = classes.map((_, i) => Array.from(flat.subarray(i * k, (i + 1) * k)));
  const ends = () => [codes[model.get("first")], codes[model.get("second")]];
  const along = (t) => (model.get("great_circle") ? arc : mix)(...ends(), t);
  const length = (z) => Math.sqrt(dot(z, z));

  // Images as canvases of their own size: the originals, and what the decoder makes of a code.
  const fresh = () => element("canvas", { width: w, height: h });
  const decoded = (canvas, z) => {
    const x = decoder(Float32Array.from(z));
    return rasterise(canvas, shape, (i) => (x[i] - low) / (high - low));
  };
  const originals = classes.map((_, n) => rasterise(fresh(), shape, (i) => bytes[n * size + i] / 255));
  const reconstructions = codes.map((z) => decoded(fresh(), z));

  // The strip is decoded again when the ends or the path change.
  const strip = Array.from({ length: steps }, fresh);
  let decodedFor = "";
  const decodeStrip = () => {
    const key = ["first", "second", "great_circle"].map((trait) => model.get(trait)).join();
    if (key !== decodedFor) strip.forEach((canvas, i) => decoded(canvas, along(i / (steps - 1))));
    decodedFor = key;
  };

  // The originals stand at the ends, the steps between them, the length of the code below; a frame marks t.
  const box = {};
  const layout = (width) => {
    const gap = width < 480 ? 2 : 4, cell = (width - (steps + 1) * gap - 2 * gap) / (steps + 2), tall = (cell * h) / w;
    return { gap, cell, tall, pitch: cell + gap, from: cell * 1.5 + 2 * gap, bottom: tall + 2 + BAND.gap + BAND.height };
  };
  const total = (width) => Math.ceil(layout(width).bottom) + 2;
  const picture = chart(total, (context, width, ink) => {
    Object.assign(box, layout(width));
    const { gap, cell, tall, pitch, from } = box, t = model.get("t"), middle = (s) => from + s * (steps - 1) * pitch;
    decodeStrip();
    context.imageSmoothingEnabled = smooth || cell * (window.devicePixelRatio || 1) < 2 * w;
    context.imageSmoothingQuality = "high";
    const put = (canvas, x) => context.drawImage(canvas, x, 1, cell, tall);
    put(originals[model.get("first")], 0);
    strip.forEach((canvas, i) => put(canvas, from - cell / 2 + i * pitch));
    put(originals[model.get("second")], width - cell);

    const top = tall + 2 + BAND.gap, bottom = box.bottom, grid = Array.from({ length: 65 }, (_, i) => i / 64);
    const lengths = [mix, arc].map((path) => grid.map((s) => length(path(...ends(), s))));
    const most = 1.12 * Math.max(Math.sqrt(k), ...lengths.flat()), Y = (v) => bottom - (v / most) * (bottom - top);
    const line = (xs, values, colour, thick, dash) => {
      context.beginPath();
      values.forEach((v, i) => context.lineTo(middle(xs[i]), Y(v)));
      context.strokeStyle = ink(colour);
      context.lineWidth = thick;
      context.setLineDash(dash);
      context.stroke();
      context.setLineDash([]);
    };
    const great = model.get("great_circle");
    line([0, 1], [0, 0], "--gn-line", 1, []);
    line([0, 1], [Math.sqrt(k), Math.sqrt(k)], "--gn-best", 1.25, [2, 4]);
    line(grid, lengths[great ? 0 : 1], "--gn-muted", 1.25, [5, 4]);
    line(grid, lengths[great ? 1 : 0], "--gn-q", 2.25, []);
    context.font = FONT;
    context.fillStyle = ink("--gn-muted");
    context.textAlign = "right";
    context.fillText("\u2016z\u2016", middle(0) - 10, Y(most / 2) + 4);
    context.textAlign = "left";
    context.fillText(`\u221a${k}`, middle(1) + 10, Y(Math.sqrt(k)) + 4);

    const x = middle(t);
    context.strokeStyle = ink("--gn-accent");
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x, tall + 2);
    context.lineTo(x, bottom);
    context.stroke();
    context.beginPath();
    context.arc(x, Y(length(along(t))), 4, 0, 7);
    context.fillStyle = ink("--gn-q");
    context.fill();
    context.lineWidth = 2.5;
    context.strokeRect(x - cell / 2 - 0.25 - gap / 2, 0.5 + 1, cell + gap + 0.5, tall - 1);
    time.style.marginLeft = `${from - BAND.thumb / 2}px`;
    time.style.width = `${(steps - 1) * pitch + BAND.thumb}px`;
  });
  const { canvas, stage } = picture;

  const set = (change) => {
    model.set(change);
    model.save_changes();
  };
  const go = (t) => {
    stop();
    set({ t });
  };
  const point = (event) => {
    const x = event.clientX - canvas.getBoundingClientRect().left;
    go(clamp((x - box.from) / ((steps - 1) * box.pitch), 0, 1));
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    stage.setPointerCapture(event.pointerId);
    point(event);
  });
  stage.addEventListener("pointermove", (event) => stage.hasPointerCapture(event.pointerId) && point(event));

  const time = element("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": "t", oninput: () => go(+time.value) });

  // The walk from here to the end, or from the start again.
  let timer = 0;
  const stop = () => {
    cancelAnimationFrame(timer);
    timer = 0;
    walk.textContent = "Walk";
  };
  const pause = () => {
    stop();
    model.save_changes();
    refresh();
  };
  const play = () => {
    if (prefersStill()) return go(model.get("t") < 1 ? 1 : 0);
    let t = model.get("t") < 1 ? model.get("t") : 0, last = performance.now();
    const tick = (now) => {
      t = Math.min(1, t + Math.max(0, now - last) / 4000);
      last = now;
      model.set("t", t);
      if (t < 1) timer = requestAnimationFrame(tick);
      else pause();
    };
    timer = requestAnimationFrame(tick);
    walk.textContent = "Pause";
  };
  const button = (text, action) => element("button", { type: "button", onclick: action }, text);
  const walk = button("Walk", () => (timer ? pause() : play()));
  const swap = () => {
    stop();
    set({ first: model.get("second"), second: model.get("first"), t: 1 - model.get("t") });
  };
  const reset = () => {
    stop();
    set(start);
  };

  // The images to choose from, each above its reconstruction, once for either end.
  const gallery = (trait, legend) => {
    const inputs = classes.map((label, n) => element("input", {
      type: "radio", name: trait, value: n, "aria-label": `${name} ${n + 1}, ${indefinite(label)}`,
      onchange: () => {
        stop();
        set({ [trait]: n });
      },
    }));
    const node = element("fieldset", { class: "gn-choice gn-gallery" }, element("legend", {}, legend),
      element("div", {}, ...inputs.map((input, n) => element("label", {}, input, element("span", {}, show(thumbnail(smooth), originals[n]), show(thumbnail(smooth), reconstructions[n]))))));
    return { node, show: () => (inputs[model.get(trait)].checked = true) };
  };
  const galleries = [gallery("first", "from"), gallery("second", "to")];
  const paths = ["straight line", "great circle"].map((label, i) => {
    const input = element("input", {
      type: "radio", name: "path", value: i,
      onchange: () => {
        stop();
        set({ great_circle: i === 1 });
      },
    });
    return { input, node: element("label", {}, input, element("span", {}, label)) };
  });

  // The text alternative: at once on the canvases, spoken once the walk has come to rest.
  const big = element("canvas", { width: w, height: h, role: "img", class: smooth ? "" : "gn-pixels" });
  const status = element("p", { role: "status", class: "gn-hidden" }), clock = element("output", { class: "gn-value" }), norm = element("span", {});
  let waiting = 0, words = "";
  const refresh = () => {
    const t = model.get("t"), z = along(t), path = model.get("great_circle") ? "great circle" : "straight line";
    const [a, b] = ["first", "second"].map((trait) => indefinite(classes[model.get(trait)]));
    decoded(big, z);
    galleries.forEach((g) => g.show());
    paths[+model.get("great_circle")].input.checked = true;
    time.value = t;
    clock.value = number(t);
    norm.textContent = number(length(z));
    words = `t = ${number(t)} on the ${path} from ${a} to ${b}`;
    time.setAttribute("aria-valuetext", words);
    big.setAttribute("aria-label", `Image decoded at ${words}`);
    canvas.setAttribute("aria-label", `${steps} images from ${a} to ${b} on the ${path}, between the two originals; a frame at t = ${number(t)}; below, the length of the code, ${number(length(z))} here`);
    picture.paint();
    clearTimeout(waiting);
    if (timer) return;
    waiting = setTimeout(() => (status.textContent = words), 600);
  };
  // The page owns z; a kernel reads it.
  const follow = () => {
    refresh();
    model.set("z", along(model.get("t")));
  };

  const title = model.get("title");
  el.append(element("div", { class: "gannotes-widget gannotes-interpolator", role: "group", "aria-label": title || "Interpolation between codes" },
    ...(title ? [element("p", { class: "gn-title" }, title)] : []),
    // A form keeps the radio names of two widgets apart.
    element("form", { onsubmit: (event) => event.preventDefault() },
      element("div", { class: "gn-body" },
        element("figure", { class: "gn-big" }, big, element("figcaption", {}, symbol("G"), "(", symbol("z_t"), ") at ", symbol("t"), " = ", clock)),
        element("div", { class: "gn-path" },
          stage, time,
          element("div", { class: "gn-buttons" }, walk, button("Swap", swap), button("Reset", reset),
            element("fieldset", { class: "gn-choice" }, element("legend", { class: "gn-hidden" }, "path"), element("div", {}, ...paths.map((p) => p.node))),
            element("span", { class: "gn-muted" }, "length of ", symbol("z_t"), ": ", norm)))),
      ...galleries.map((g) => g.node),
      element("p", { class: "gn-note" }, `Above, the ${name}; below, its reconstruction.`),
      status)));
  follow();
  model.on(CHANGES, follow);
  big.gannotes = { forward: (z) => Array.from(decoder(Float32Array.from(z))) };
  canvas.gannotes = { along, box };
  return () => {
    clearTimeout(waiting);
    cancelAnimationFrame(timer);
    picture.stop();
    model.off(CHANGES, follow);
  };
}

export default { render };
