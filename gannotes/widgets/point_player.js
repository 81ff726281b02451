// A saved run: points in the plane over a critic's field, or curves over a line, one frame at a time.

const RATE = 12; // frames a second at speed 1
const FONT = "13px system-ui, sans-serif", MATHS = "italic 15px Georgia, serif", INDEX = "10px Georgia, serif";

// Colour is never the only difference: every curve has its own dashes.
const roles = {
  p: { colour: "--gn-p", dash: [], width: 2 },
  q: { colour: "--gn-q", dash: [8, 4], width: 2.5 },
  D: { colour: "--gn-D", dash: [2, 3], width: 2.5 },
  "D*": { colour: "--gn-best", dash: [9, 3, 2, 3], width: 1.75 },
};
const others = [[5, 2, 1, 2], [12, 3], [4, 4], [1, 3]];

function ticks([low, high], count) {
  const step = nice(((high - low) / count) * 1.25), digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
  const values = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) values.push([k * step, number(k * step, digits)]);
  return values;
}

const hex = (colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));

function render({ model, el }) {
  const view = model.get("view"), title = model.get("title"), labels = model.get("labels");
  const points = decode(model.get("points"), "float16"), data = decode(model.get("data"), "float16");
  const field = decode(model.get("field"), "uint8"), flat = decode(model.get("curves"), "float16");
  const { frames, plane, grid } = view, last = frames - 1, size = plane ? 2 : 1;

  let used = grid;
  const curves = view.curves.map((c, i) => {
    const at = used, style = roles[c.name] ?? { colour: "--gn-other", dash: others[i % others.length], width: 2 };
    used += c.moving ? frames * grid : grid;
    return { ...c, ...style, values: (t) => flat.subarray(at + (c.moving ? t * grid : 0), at + (c.moving ? (t + 1) * grid : grid)) };
  });

  const canvas = element("canvas", { role: "img" }), context = canvas.getContext("2d");
  const stage = element("div", { class: `gn-stage ${plane ? "gn-plane" : ""}` }, canvas);
  const cells = view.field ? element("canvas", { width: view.field.size[1], height: view.field.size[0] }) : null;

  let box, X, Y, R; // the frame of the plot, and the maps from values to pixels
  const layout = () => {
    const width = stage.clientWidth, ratio = window.devicePixelRatio || 1;
    box = { left: 54, top: 10, right: width - (view.right ? 48 : 12) };
    box.bottom = box.top + (plane ? ((box.right - box.left) * (view.y[1] - view.y[0])) / (view.x[1] - view.x[0]) : Math.min(300, 0.5 * width));
    const height = box.bottom + 42;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const map = ([low, high], from, to) => (v) => from + ((v - low) / (high - low)) * (to - from);
    X = map(view.x, box.left, box.right);
    Y = map(view.y, box.bottom, box.top);
    R = view.right && map(view.right, box.bottom, box.top);
  };

  const write = (name, x, y, align = "center") => {
    const [match, letter, star = "", index = ""] = /^(\p{L})(\*)?(?:_(\w+))?$/u.exec(name) ?? [];
    context.textAlign = align;
    context.font = match ? MATHS : FONT;
    context.fillText(match ? letter + star : name, x, y);
    if (!index) return;
    const width = context.measureText(letter + star).width;
    context.font = INDEX;
    context.textAlign = "left";
    context.fillText(index, x + (align === "center" ? width / 2 : align === "left" ? width : 0) + 1, y + 4);
  };

  const drawAxes = (ink) => {
    const wide = Math.max(3, (box.right - box.left) / 70), tall = Math.max(3, (box.bottom - box.top) / 60);
    context.lineWidth = 1;
    context.fillStyle = ink("--gn-muted");
    const tick = (values, place) => {
      for (const [v, text] of values) {
        context.strokeStyle = ink("--gn-line");
        context.font = FONT;
        place(v, text);
      }
    };
    const stroke = (x, y, dx, dy) => {
      context.beginPath();
      context.moveTo(Math.round(x) + 0.5, Math.round(y) + 0.5);
      context.lineTo(Math.round(x + dx) + 0.5, Math.round(y + dy) + 0.5);
      context.stroke();
    };
    tick(ticks(view.x, wide), (v, text) => {
      stroke(X(v), box.bottom, 0, 5);
      context.textAlign = "center";
      context.fillText(text, X(v), box.bottom + 18);
    });
    tick(ticks(view.y, tall), (v, text) => {
      stroke(box.left, Y(v), -5, 0);
      context.textAlign = "right";
      context.fillText(text, box.left - 8, Y(v) + 4);
    });
    if (R) tick(ticks(view.right, tall), (v, text) => {
      stroke(box.right, R(v), 5, 0);
      context.textAlign = "left";
      context.fillText(text, box.right + 8, R(v) + 4);
    });
    context.strokeRect(Math.round(box.left) + 0.5, Math.round(box.top) + 0.5, Math.round(box.right - box.left), Math.round(box.bottom - box.top));
    context.fillStyle = ink("--gn-text");
    write(view.axes[0], (box.left + box.right) / 2, box.bottom + 35);
    if (view.axes[1]) {
      context.save();
      context.translate(10, (box.top + box.bottom) / 2);
      if (view.axes[1].length > 3) context.rotate(-Math.PI / 2);
      write(view.axes[1], 0, 4);
      context.restore();
    }
  };

  // The field of frame t: the data's colour where it is high, the model's where it is low.
  const drawField = (t, ink) => {
    const [h, w] = view.field.size, image = new ImageData(w, h), p = hex(ink("--gn-p")), q = hex(ink("--gn-q"));
    for (let i = 0; i < h; i++)
      for (let j = 0; j < w; j++) {
        const v = field[(t * h + i) * w + j] / 127.5 - 1, at = 4 * ((h - 1 - i) * w + j);
        image.data.set(v > 0 ? p : q, at);
        image.data[at + 3] = 130 * Math.abs(v);
      }
    cells.getContext("2d").putImageData(image, 0, 0);
    // The outer values lie on the border of the plot, the pixels' centres half a cell inside the image.
    const dx = (box.right - box.left) / (w - 1), dy = (box.bottom - box.top) / (h - 1);
    context.drawImage(cells, box.left - dx / 2, box.top - dy / 2, w * dx, h * dy);
  };

  const drawPlane = (t, ink) => {
    context.strokeStyle = ink("--gn-p");
    context.lineWidth = 1.25;
    context.globalAlpha = 0.6;
    for (let i = 0; i < data.length; i += 2) {
      context.beginPath();
      context.arc(X(data[i]), Y(data[i + 1]), 3.5, 0, 7);
      context.stroke();
    }
    context.fillStyle = ink("--gn-q");
    context.globalAlpha = 0.9;
    for (let i = t * view.points * 2; i < (t + 1) * view.points * 2; i += 2) {
      context.beginPath();
      context.arc(X(points[i]), Y(points[i + 1]), 2.2, 0, 7);
      context.fill();
    }
    context.globalAlpha = 1;
  };

  const drawLine = (t, ink) => {
    for (const curve of curves) {
      const values = curve.values(t), map = curve.right ? R : Y;
      context.beginPath();
      values.forEach((v, i) => context.lineTo(X(flat[i]), map(v)));
      context.strokeStyle = ink(curve.colour);
      context.lineWidth = curve.width;
      context.setLineDash(curve.dash);
      context.stroke();
      context.setLineDash([]);
      if (curve.name !== "p") continue;
      context.lineTo(X(flat[grid - 1]), map(0));
      context.lineTo(X(flat[0]), map(0));
      context.globalAlpha = 0.12;
      context.fillStyle = ink(curve.colour);
      context.fill();
      context.globalAlpha = 1;
    }
    // Samples stand on the lower border (data) and hang from the upper one (model).
    context.lineWidth = 1;
    context.globalAlpha = 0.7;
    const rug = (values, colour, from, to) => {
      context.strokeStyle = ink(colour);
      context.beginPath();
      for (const v of values) {
        context.moveTo(X(v), from);
        context.lineTo(X(v), to);
      }
      context.stroke();
    };
    rug(data, "--gn-p", box.bottom, box.bottom - 10);
    rug(points.subarray(t * view.points, (t + 1) * view.points), "--gn-q", box.top, box.top + 10);
    context.globalAlpha = 1;
  };

  const draw = () => {
    if (!box) return;
    const style = getComputedStyle(canvas), ink = (name) => style.getPropertyValue(name).trim();
    const t = Math.max(0, Math.min(last, model.get("frame")));
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.save();
    context.beginPath();
    context.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
    context.clip();
    if (cells) drawField(t, ink);
    if (plane) drawPlane(t, ink);
    else drawLine(t, ink);
    context.restore();
    drawAxes(ink);
  };

  // The legend is text, with the marks of the plot.
  const svg = (html) => {
    const holder = element("span", { "aria-hidden": "true" });
    holder.innerHTML = `<svg width="30" height="12">${html}</svg>`;
    return holder.firstChild;
  };
  const entry = (mark, ...words) => element("li", {}, mark, element("span", {}, ...words));
  const legend = element("ul", { class: "gn-legend" });
  for (const c of curves)
    legend.append(entry(svg(`<line x1="0" y1="6" x2="30" y2="6" style="stroke:var(${c.colour})" stroke-width="${c.width}" stroke-dasharray="${c.dash}"/>`),
      symbol(c.name), c.right ? " (right axis)" : ""));
  const mark = (colour, filled) => svg(!plane ? `<path d="M9 1v10M15 1v10M19 1v10" style="stroke:var(${colour})"/>`
    : filled ? `<circle cx="15" cy="6" r="3" style="fill:var(${colour})"/>` : `<circle cx="15" cy="6" r="3.5" fill="none" stroke-width="1.25" style="stroke:var(${colour})"/>`);
  if (data.length) legend.append(entry(mark("--gn-p", false), view.names[0], plane ? "" : " (below)"));
  if (points.length) legend.append(entry(mark("--gn-q", true), view.names[1], plane ? "" : " (above)"));
  if (cells) {
    const [low, high] = view.field.limits.map((v) => number(v, 2).replace(/\.?0+$/, ""));
    const bar = element("span", { class: "gn-bar", style: "background:linear-gradient(90deg,var(--gn-q),transparent,var(--gn-p))" });
    legend.append(element("li", {}, symbol(view.field.name), element("span", {}, low), bar, element("span", {}, high)));
  }

  // Controls.
  let timer = 0;
  const button = element("button", { type: "button", onclick: () => (timer ? pause() : play()) }, "Play");
  const scrub = element("input", { type: "range", min: 0, max: last, step: 1 });
  const speed = element("select", {}, ...[0.5, 1, 2, 4].map((s) => element("option", { value: s, selected: s === 1 }, `${s} \u00d7`)));
  const caption = element("span", { class: "gn-caption" }), status = element("p", { role: "status", class: "gn-hidden" });
  const say = () => (status.textContent = caption.textContent);
  const pause = () => {
    cancelAnimationFrame(timer);
    timer = 0;
    button.textContent = "Play";
    model.save_changes();
    say();
  };
  const play = () => {
    if (model.get("frame") >= last) model.set("frame", 0);
    let position = model.get("frame"), before = performance.now();
    const tick = (now) => {
      position += (Math.max(0, now - before) / 1000) * RATE * +speed.value;
      before = now;
      model.set("frame", Math.min(last, Math.floor(position)));
      if (position < last) timer = requestAnimationFrame(tick);
      else pause();
    };
    timer = requestAnimationFrame(tick);
    button.textContent = "Pause";
  };
  scrub.addEventListener("input", () => {
    if (timer) pause();
    model.set("frame", +scrub.value);
    model.save_changes();
  });

  const refresh = () => {
    const t = Math.max(0, Math.min(last, model.get("frame"))), label = labels[t];
    scrub.value = t;
    scrub.setAttribute("aria-valuetext", label);
    caption.textContent = label;
    canvas.setAttribute("aria-label", `${title || (plane ? "Points of a training run" : "Curves of a training run")}, ${label}`);
    draw();
  };

  el.append(element("div", { class: "gannotes-widget gannotes-player", role: "group", "aria-label": title || "Training run" },
    ...(title ? [element("p", { class: "gn-title" }, title)] : []),
    legend, stage, caption,
    element("div", { class: "gn-buttons" }, button,
      element("div", { class: "gn-row" }, element("label", {}, element("span", {}, "Frame"), scrub)),
      element("label", { class: "gn-pick" }, element("span", {}, "Speed"), speed)),
    status));

  const sized = new ResizeObserver(() => {
    if (!stage.clientWidth) return;
    layout();
    draw();
  });
  sized.observe(stage);
  const themed = new MutationObserver(draw);
  for (const node of [document.documentElement, document.body]) themed.observe(node, { attributes: true, attributeFilter: ["data-theme", "data-jp-theme-light"] });
  model.on("change:frame", refresh);
  if (stage.clientWidth) layout();
  refresh();
  canvas.gannotes = { draw };
  return () => {
    cancelAnimationFrame(timer);
    sized.disconnect();
    themed.disconnect();
    model.off("change:frame", refresh);
  };
}

export default { render };
