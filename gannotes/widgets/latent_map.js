// The latent plane as a map that the reader points into, beside the image that the decoder makes there.

// The law of N(0, 1) by Marsaglia's series, to the last digits; and its inverse, by bisection.
function Phi(z) {
  if (Math.abs(z) > 8) return z > 0 ? 1 : 0;
  let sum = z, before = 0, term = z;
  for (let i = 3; sum !== before; i += 2) {
    before = sum;
    term *= (z * z) / i;
    sum += term;
  }
  return 0.5 + (sum * Math.exp(-0.5 * z * z)) / Math.sqrt(2 * Math.PI);
}
function quantile(u) {
  let low = -8, high = 8;
  for (let i = 0; i < 56; i++) {
    const middle = (low + high) / 2;
    if (Phi(middle) < u) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

const MARGIN = { left: 30, top: 24, right: 4, bottom: 4 };
const BUDGET = 15; // milliseconds of decoding between two paintings

const median = (values) => {
  const sorted = values.toSorted((a, b) => a - b), half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};
const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

function render({ model, el }) {
  const { classes, name, cells, limit } = model.get("view"), shape = model.get("shape"), [channels, h, w] = shape, area = h * w;
  const [low, high] = model.get("limits"), smooth = model.get("smooth"), home = [0, 0];
  const [decoder] = networks(model, [model.get("layers").length]);
  const flat = decode(model.get("points"), "float16"), labels = decode(model.get("labels"), "uint8");
  const codes = Array.from(labels, (_, i) => [flat[2 * i], flat[2 * i + 1]]);
  const nibbles = model.get("images").byteLength ? decode(model.get("images"), "uint8") : null;
  const visible = (i) => model.get("only") < 0 || labels[i] === model.get("only");

  // Between a code and its place on the map, 0 to 1 from the top and from the left.
  const place = (v) => clamp(model.get("quantiles") ? Phi(v) : (v + limit) / (2 * limit), 0, 1);
  const value = (s) => clamp(model.get("quantiles") ? quantile(s) : (2 * s - 1) * limit, -limit, limit);

  // The values of an image as grey levels, black 0 and white 1.
  const grey = (v) => (v - low) / (high - low);
  const off = (width, height) => {
    const canvas = element("canvas", { width, height });
    return [canvas, canvas.getContext("2d")];
  };

  // The sheet: the images of the cells' mid-points, as transparency, a few at a time while the page stays responsive.
  const sheets = new Map();
  let drawing = 0;
  const sheet = () => {
    const key = model.get("quantiles");
    if (!sheets.has(key)) {
      const [canvas, context] = off(cells * w, cells * h);
      sheets.set(key, { canvas, context, done: 0, at: Array.from({ length: cells }, (_, i) => value((i + 0.5) / cells)) });
    }
    return sheets.get(key);
  };
  const continueSheet = () => {
    drawing = 0;
    const { context, done, at } = sheet(), image = new ImageData(w, h), until = performance.now() + BUDGET;
    let n = done;
    do {
      const x = decoder(Float32Array.of(at[(n / cells) | 0], at[n % cells]));
      for (let i = 0; i < area; i++) {
        let sum = 0;
        for (let c = 0; c < channels; c++) sum += clamp(grey(x[c * area + i]), 0, 1);
        image.data[4 * i + 3] = (255 * sum) / channels;
      }
      context.putImageData(image, (n % cells) * w, ((n / cells) | 0) * h);
      n++;
    } while (n < cells * cells && performance.now() < until);
    sheet().done = n;
    map.paint();
  };

  // What does not depend on z is drawn once: sheet, axes, codes, and each class's name at its median.
  let base = null, drawn = "";
  const medians = classes.map((_, c) => {
    const own = codes.filter((_, i) => labels[i] === c);
    return own.length ? [0, 1].map((k) => median(own.map((z) => z[k]))) : null;
  });
  const box = { left: MARGIN.left, top: MARGIN.top, side: 0 };
  const spot = (z) => [box.left + place(z[1]) * box.side, box.top + place(z[0]) * box.side];

  const inside = ([x, y], a, b) => [clamp(x, box.left + a, box.left + box.side - a), clamp(y, box.top + b, box.top + box.side - b)];

  const drawSheet = (context, ink) => {
    const { canvas, done } = sheet(), [tinted, paint] = off(canvas.width, canvas.height);
    if (!done) return;
    paint.drawImage(canvas, 0, 0);
    paint.globalCompositeOperation = "source-in";
    paint.fillStyle = ink("--gn-text");
    paint.fillRect(0, 0, tinted.width, tinted.height);
    context.globalAlpha = 0.3;
    context.imageSmoothingQuality = "high";
    context.drawImage(tinted, box.left, box.top, box.side, box.side);
    context.globalAlpha = 1;
  };
  const drawAxes = (context, ink) => {
    const { left, top, side } = box;
    context.strokeStyle = ink("--gn-line");
    context.lineWidth = 1;
    context.strokeRect(Math.round(left) - 0.5, Math.round(top) - 0.5, Math.round(side) + 1, Math.round(side) + 1);
    context.font = FONT;
    context.fillStyle = ink("--gn-muted");
    for (let v = -Math.floor(limit); v <= limit; v++) {
      if (model.get("quantiles") && Math.abs(v) > 2) continue; // too near to the border
      const s = place(v) * side;
      context.fillRect(Math.round(left + s), top - 5, 1, 4);
      context.fillRect(left - 5, Math.round(top + s), 4, 1);
      context.textAlign = "center";
      context.fillText(number(v, 0), left + s, top - 8);
      context.textAlign = "right";
      context.fillText(number(v, 0), left - 8, top + s + 4);
    }
    // The names of the axes, between 0 and 1, with the way in which they grow.
    const s = ((place(0) + place(1)) / 2) * side;
    context.fillStyle = ink("--gn-text");
    context.textAlign = "left";
    for (const [words, font, x, y] of [
      ["z", "italic 15px Georgia, serif", 0, 0], ["2", "10px Georgia, serif", 7, 3], ["\u2192", FONT, 15, 0],
    ]) {
      context.font = font;
      context.fillText(words, left + s - 13 + x, top - 9 + y);
      const own = words === "2" ? "1" : words === "\u2192" ? "\u2193" : words;
      context.fillText(own, own === "\u2193" ? left - 18 : left - 20 + x, own === "\u2193" ? top + s + 17 : top + s + y);
    }
  };
  // The classes' names, at the medians but for what keeps them from covering each other.
  const apart = (halves) => {
    const at = medians.map((z, c) => z && inside(spot(z), halves[c] + 1, 11));
    for (let round = 0; round < 40; round++)
      at.forEach((p, c) => at.slice(0, c).forEach((q, d) => {
        if (!p || !q) return;
        const dx = p[0] - q[0] || 0.1, dy = p[1] - q[1] || 0.1, gap = Math.hypot(dx, dy), lack = halves[c] + halves[d] + 2 - gap;
        if (lack <= 0) return;
        for (const [point, way] of [[p, 0.5], [q, -0.5]]) {
          const moved = inside([point[0] + (way * lack * dx) / gap, point[1] + (way * lack * dy) / gap], halves[c] + 1, 11);
          [point[0], point[1]] = moved;
        }
      }));
    return at;
  };
  const drawCodes = (context, ink) => {
    const colours = classes.map((_, c) => ink(`--gn-c${c}`)), radius = labels.length > 500 ? 2.5 : 3;
    context.strokeStyle = ink("--gn-card");
    context.lineWidth = 1;
    codes.forEach((z, i) => {
      if (!visible(i)) return;
      const [x, y] = inside(spot(z), 2, 2);
      context.beginPath();
      context.arc(x, y, radius, 0, 7);
      context.fillStyle = colours[labels[i]];
      context.fill();
      context.stroke();
    });
    context.font = "bold 13px system-ui, sans-serif";
    context.textAlign = "center";
    const halves = classes.map((label) => Math.max(10, context.measureText(label).width / 2 + 5));
    apart(halves).forEach((at, c) => {
      if (!at || (model.get("only") >= 0 && model.get("only") !== c)) return;
      const [x, y] = at, half = halves[c];
      context.beginPath();
      context.roundRect(x - half, y - 10, 2 * half, 20, 10);
      context.fillStyle = colours[c];
      context.lineWidth = 2;
      context.stroke();
      context.fill();
      context.fillStyle = bright(colours[c]) ? "#000000" : "#ffffff";
      context.fillText(classes[c], x, y + 4.5);
    });
  };
  const bright = (colour) => dot3(rgb(colour)) > 115;
  const dot3 = ([r, g, b]) => 0.299 * r + 0.587 * g + 0.114 * b;

  const total = (width) => width - MARGIN.left - MARGIN.right + MARGIN.top + MARGIN.bottom;
  const map = chart(total, (context, width, ink) => {
    box.side = width - MARGIN.left - MARGIN.right;
    const { canvas } = context, behind = model.get("sheet") && cells > 0;
    const key = [canvas.width, ...["--gn-text", "--gn-c0"].map(ink), behind && sheet().done, ...["quantiles", "only"].map((k) => model.get(k))].join();
    if (key !== drawn) {
      const [copy, paint] = off(canvas.width, canvas.height);
      paint.setTransform(context.getTransform());
      if (behind) drawSheet(paint, ink);
      drawAxes(paint, ink);
      drawCodes(paint, ink);
      [base, drawn] = [copy, key];
    }
    context.save();
    context.resetTransform();
    context.drawImage(base, 0, 0);
    context.restore();
    drawPoint(context, ink);
    if (behind && sheet().done < cells * cells) drawing ||= requestAnimationFrame(continueSheet);
  });
  const { canvas } = map;
  const drawPoint = (context, ink) => {
    const z = shown(), [x, y] = spot(z), near = nearest(z);
    context.strokeStyle = ink("--gn-accent");
    context.lineWidth = 1;
    context.globalAlpha = 0.75;
    context.beginPath();
    context.moveTo(box.left, y);
    context.lineTo(x - 8, y);
    context.moveTo(x + 8, y);
    context.lineTo(box.left + box.side, y);
    context.moveTo(x, box.top);
    context.lineTo(x, y - 8);
    context.moveTo(x, y + 8);
    context.lineTo(x, box.top + box.side);
    context.stroke();
    context.globalAlpha = 1;
    const ring = (px, py, radius, colour) => {
      for (const [width, style] of [[4.5, ink("--gn-card")], [2, colour]]) {
        context.beginPath();
        context.arc(px, py, radius, 0, 7);
        context.lineWidth = width;
        context.strokeStyle = style;
        context.stroke();
      }
    };
    if (near) ring(...spot(codes[near.index]), 5, ink(`--gn-c${labels[near.index]}`));
    if (hover) ring(...spot(model.get("z")), 4, ink("--gn-muted"));
    ring(x, y, 7, ink("--gn-text"));
  };

  // The code on show: where a mouse hovers, otherwise the code chosen.
  let hover = null;
  const shown = () => hover ?? model.get("z");
  const nearest = (z) => {
    let best = null;
    codes.forEach(([a, b], index) => {
      const distance = Math.hypot(a - z[0], b - z[1]);
      if (visible(index) && !(distance >= best?.distance)) best = { index, distance };
    });
    return best;
  };

  // Choosing: every change goes through the model, so a kernel, a second view and this view agree.
  const set = (change) => {
    hover = null;
    model.set(change);
    model.save_changes();
  };
  const choose = (z) => set({ z: z.map((v) => clamp(v, -limit, limit)) });
  const under = (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    return [(event.clientY - top - box.top) / box.side, (event.clientX - left - box.left) / box.side].map((s) => value(clamp(s, 0, 1)));
  };
  // Arrow keys move by a hundredth of the map, with Shift by a twentieth.
  const arrows = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const press = (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !(event.key in arrows || event.key === "Home")) return;
    event.preventDefault();
    if (event.key === "Home") return choose(home);
    const size = event.shiftKey ? 0.05 : 0.01, z = model.get("z");
    choose(z.map((v, k) => (arrows[event.key][k] ? value(clamp(place(v) + size * arrows[event.key][k], 0, 1)) : v)));
  };
  const surface = element("div", {
    class: "gn-surface", tabindex: 0, role: "application",
    "aria-label": "Map of the latent plane. The arrow keys move the point, with Shift in larger steps; Home returns to the origin.",
    onkeydown: press,
    onpointerdown: (event) => {
      if (event.button) return;
      surface.setPointerCapture(event.pointerId);
      choose(under(event));
    },
    onpointermove: (event) => {
      if (surface.hasPointerCapture(event.pointerId)) return choose(under(event));
      if (event.pointerType !== "mouse") return;
      hover = under(event);
      refresh();
    },
    onpointerleave: () => {
      if (!hover) return;
      hover = null;
      refresh();
    },
  }, map.stage);

  // The image at the point, large, and the nearest test image.
  const digit = element("canvas", { width: w, height: h, role: "img", class: smooth ? "" : "gn-pixels" });
  const original = thumbnail(smooth, `Nearest ${name}`), [scratch] = off(w, h), size = channels * area;
  const half = (k) => (k % 2 ? nibbles[k >> 1] & 15 : nibbles[k >> 1] >> 4) / 15;
  const chip = element("b", { class: "gn-chip" }), distance = element("span", { class: "gn-muted gn-distance" });
  const where = element("span", { class: "gn-where" }), article = element("span", {});

  // Controls.
  const sliders = ["z_1", "z_2"].map((label, k) => {
    const input = element("input", { type: "range", min: -limit, max: limit, step: 0.01 }), output = element("output", { class: "gn-value" });
    input.addEventListener("input", () => choose(model.get("z").with(k, +input.value)));
    const show = (v) => {
      input.value = v;
      output.value = number(v);
      input.setAttribute("aria-valuetext", `${output.value}, ${k ? "from left to right" : "from top to bottom"}`);
    };
    const arrow = element("span", { class: "gn-muted", "aria-hidden": "true" }, k ? "\u2192" : "\u2193");
    return { show, node: element("div", { class: "gn-row" }, element("label", {}, element("span", {}, symbol(label), arrow), input), output) };
  });
  const radios = (legend, group, options, now, pick) => {
    const inputs = options.map((_, i) => element("input", { type: "radio", name: group, value: i, onchange: () => pick(i) }));
    const node = element("fieldset", { class: "gn-choice" }, element("legend", {}, legend),
      element("div", {}, ...options.map((option, i) => element("label", {}, inputs[i], option))));
    return { node, show: () => (inputs[now()].checked = true) };
  };
  const kinds = radios("Show", "class", [
    element("span", {}, "all"),
    ...classes.map((label, c) => element("span", { class: "gn-kind", style: `--gn-kind: var(--gn-c${c})` }, label)),
  ], () => model.get("only") + 1, (i) => set({ only: i - 1 }));
  const axes = radios("Axes", "axes", [
    element("span", {}, element("span", {}, symbol("u"), " = \u03a6(", symbol("z"), ")")),
    element("span", {}, symbol("z")),
  ], () => (model.get("quantiles") ? 0 : 1), (i) => set({ quantiles: i === 0 }));
  const behind = element("input", { type: "checkbox", onchange: () => set({ sheet: behind.checked }) });

  // The text alternative: at once on the canvases, spoken once the point has come to rest.
  const status = element("p", { role: "status", class: "gn-hidden" });
  let timer = 0, words = "";
  const refresh = () => {
    const z = shown(), near = nearest(z), x = decoder(Float32Array.from(z));
    rasterise(digit, shape, (i) => grey(x[i]));
    sliders.forEach((slider, k) => slider.show(z[k]));
    [kinds, axes].forEach((group) => group.show());
    behind.checked = model.get("sheet");
    where.textContent = `(${z.map((v) => number(v)).join(", ")})`;
    const kind = near ? classes[labels[near.index]] : "none";
    article.textContent = near ? indefinite(kind).slice(0, -kind.length) : "";
    chip.textContent = kind;
    chip.style.setProperty("--gn-kind", near ? `var(--gn-c${labels[near.index]})` : "transparent");
    distance.textContent = near ? `${number(near.distance)} away` : "";
    if (nibbles && near) show(original, rasterise(scratch, shape, (i) => half(near.index * size + i)));
    words = `z_1 = ${number(z[0])}, z_2 = ${number(z[1])}; nearest encoded ${name}: ${near ? indefinite(kind) : "none"}`;
    canvas.setAttribute("aria-label", `Map of ${labels.length} encoded ${name}s by class; point at ${words}`);
    digit.setAttribute("aria-label", `Image decoded at ${words}`);
    map.paint();
    clearTimeout(timer);
    timer = setTimeout(() => (status.textContent = words), 600);
  };

  const title = model.get("title");
  el.append(element("div", { class: "gannotes-widget gannotes-map", role: "group", "aria-label": title || "Latent map" },
    ...(title ? [element("p", { class: "gn-title" }, title)] : []),
    // A form keeps the radio names of two maps apart.
    element("form", { class: "gn-body", onsubmit: (event) => event.preventDefault() },
      surface,
      element("div", { class: "gn-side" },
        element("div", { class: "gn-pair" },
          element("figure", {}, digit, element("figcaption", {}, "decoded at ", symbol("z"), " =", where)),
          element("figure", {}, ...(nibbles ? [original] : []), element("figcaption", {}, `nearest encoded ${name}: `, article, chip, distance))),
        element("div", { class: "gn-rows" }, ...sliders.map((s) => s.node)),
        kinds.node,
        axes.node,
        element("div", { class: "gn-buttons" },
          element("button", { type: "button", onclick: () => choose(home) }, "Origin"),
          ...(cells ? [element("label", { class: "gn-check" }, behind, "decoded background")] : [])),
        status))));
  refresh();
  model.on("change", refresh);
  canvas.gannotes = { Phi, quantile, box, nearest, spot, shown, sheet: () => sheet().done };
  digit.gannotes = { forward: (z) => Array.from(decoder(Float32Array.from(z))) };
  return () => {
    clearTimeout(timer);
    cancelAnimationFrame(drawing);
    map.stop();
    model.off("change", refresh);
  };
}

export default { render };
