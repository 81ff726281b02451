// A pad to draw on, what a translator makes of it, and what comes back.

function render({ model, el }) {
  const { names, classes, pens, margin } = model.get("view"), shape = model.get("shape"), [, h, w] = shape, area = h * w, N = classes.length;
  const [low, high] = model.get("limits"), translators = networks(model, model.get("generators").map(([, depth]) => depth));
  const pictures = decode(model.get("examples"), "uint8");
  const picture = (domain, n) => pictures.slice((domain * N + n) * area, (domain * N + n + 1) * area);
  const start = Object.fromEntries(["ink", "example", "backwards"].map((trait) => [trait, model.get(trait)]));

  // A byte of ink, a share of ink, and the value that a network sees.
  const shares = (bytes) => Float32Array.from(bytes, (v) => v / 255);
  const translate = (domain, share) => {
    const y = translators[domain](share.map((v) => low + (high - low) * v));
    return Float32Array.from(y, (v) => clamp((v - low) / (high - low), 0, 1));
  };
  const error = (a, b) => a.reduce((sum, v, i) => sum + Math.abs(v - b[i]), 0) / area;
  const ink = () => decode(model.get("ink"), "uint8");
  const here = () => +model.get("backwards");

  // Every change goes through the model, so a kernel, a second view and this view agree.
  const set = (change) => {
    model.set(change);
    model.save_changes();
  };
  const put = (bytes, example) => ({ ink: new DataView(Uint8Array.from(bytes).buffer), example });
  const pick = (n) => set(put(picture(here(), n), n));
  const clear = () => {
    pen.down = false;
    set(put(new Uint8Array(area), -1));
  };
  // The other way round: an example becomes its partner, a drawing what it was translated into.
  const turn = (backwards) => {
    const n = model.get("example"), from = here();
    if (+backwards === from) return;
    pen.down = false;
    const bytes = n < 0 ? translate(from, shares(ink())).map((v) => Math.round(255 * v)) : picture(1 - from, n);
    set({ ...put(bytes, n), backwards });
  };
  const reset = () => {
    Object.assign(pen, middle);
    set(start);
  };

  // The pen: each pixel is covered as far as it reaches into the strip of radius r around the path.
  const middle = { x: Math.floor(w / 2) + 0.5, y: Math.floor(h / 2) + 0.5, down: false }, pen = { ...middle, at: null };
  const radius = () => (eraser.checked ? 1.5 * Math.max(...pens) : pens[here()]);
  const stroke = (x0, y0, x1, y1) => {
    const bytes = ink(), r = radius(), dx = x1 - x0, dy = y1 - y0, length2 = dx * dx + dy * dy;
    for (let i = 0; i < h; i++)
      for (let j = 0; j < w; j++) {
        const along = length2 ? clamp(((j + 0.5 - x0) * dx + (i + 0.5 - y0) * dy) / length2, 0, 1) : 0;
        const cover = Math.round(255 * clamp(r + 0.5 - Math.hypot(j + 0.5 - x0 - along * dx, i + 0.5 - y0 - along * dy), 0, 1));
        bytes[i * w + j] = eraser.checked ? Math.min(bytes[i * w + j], 255 - cover) : Math.max(bytes[i * w + j], cover);
      }
    model.set(put(bytes, -1));
  };
  const moveTo = (x, y) => {
    const before = [pen.x, pen.y];
    Object.assign(pen, { x: clamp(x, 0.5, w - 0.5), y: clamp(y, 0.5, h - 0.5) });
    if (pen.down) stroke(...before, pen.x, pen.y);
    refresh();
  };
  const under = (event) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return [((event.clientX - left) / width) * w, ((event.clientY - top) / height) * h];
  };
  const arrows = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
  const press = (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const action = {
      " ": () => {
        pen.down = !pen.down;
        moveTo(pen.x, pen.y);
      },
      Backspace: clear,
      Delete: clear,
      e: () => {
        eraser.checked = !eraser.checked;
        refresh();
      },
      Escape: () => {
        pen.down = false;
        refresh();
      },
    }[event.key];
    if (!action && !(event.key in arrows)) return;
    event.preventDefault();
    pad.classList.add("gn-keys");
    if (action) action();
    else {
      const [a, b] = arrows[event.key], size = event.shiftKey ? 4 : 1;
      moveTo(pen.x + size * a, pen.y + size * b);
    }
    model.save_changes();
  };
  const lift = () => {
    if (!pen.at) return;
    pen.at = null;
    model.save_changes();
  };

  const nib = element("span", { class: "gn-nib", "aria-hidden": "true" });
  const blank = (name) => element("canvas", { width: w, height: h, role: "img", class: "gn-pixels", "data-name": name });
  const canvas = blank("pad"), made = blank("made"), back = blank("back");
  const frame = element("span", { class: "gn-frame", "aria-hidden": "true", style: `inset: ${(100 * margin) / h}% ${(100 * margin) / w}%` });
  const pad = element("div", {
    class: "gn-pad", tabindex: 0, role: "application",
    "aria-label": `Drawing pad, ${w} by ${h} pixels. The arrow keys move the pen, with Shift by four pixels; Space puts it down or lifts it; E changes between pen and eraser; Backspace clears the pad.`,
    onkeydown: press,
    onblur: () => {
      pad.classList.remove("gn-keys");
      pen.down = false;
    },
    onpointerdown: (event) => {
      if (event.button) return;
      pad.setPointerCapture(event.pointerId);
      pad.classList.remove("gn-keys");
      pen.down = false;
      pen.at = under(event);
      stroke(...pen.at, ...pen.at);
    },
    onpointermove: (event) => {
      if (!pen.at) return;
      for (const part of [...(event.getCoalescedEvents?.() ?? []), event]) {
        const next = under(part);
        stroke(...pen.at, ...next);
        pen.at = next;
      }
    },
    onpointerup: lift,
    onpointercancel: lift,
  }, canvas, ...(margin ? [frame] : []), nib);

  // Controls.
  const radio = (group, value, label, content, action) => {
    const input = element("input", { type: "radio", name: group, value, "aria-label": label, onchange: action });
    return { input, node: element("label", {}, input, content) };
  };
  const ways = [0, 1].map((domain) => {
    const words = [names[domain], names[1 - domain], names[domain]].join(" \u2192 ");
    return radio("way", domain, words, element("span", {}, words), () => turn(domain === 1));
  });
  const scratch = element("canvas", { width: w, height: h });
  const image = (domain, n) => {
    const bytes = picture(domain, n);
    return show(thumbnail(false), rasterise(scratch, shape, (i) => bytes[i] / 255));
  };
  const called = (n) => `${n + 1} of ${N}${classes[n] ? `, ${indefinite(classes[n])}` : ""}`;
  const gallery = classes.map((_, n) => radio("example", n, `pair ${called(n)}`, element("span", {}, image(0, n), image(1, n)), () => pick(n)));
  const eraser = element("input", { type: "checkbox", onchange: () => refresh() });
  const button = (text, action) => element("button", { type: "button", onclick: action }, text);

  // The text alternative: at once on the canvases, spoken once the hand rests.
  const status = element("p", { role: "status", class: "gn-hidden" });
  const captions = Array.from({ length: 3 }, () => element("figcaption", {}));
  const caption = (node, first, second) => node.replaceChildren(element("span", {}, ...first), element("span", { class: "gn-muted" }, second));
  let waiting = 0;
  const refresh = () => {
    const domain = here(), n = model.get("example"), x = shares(ink()), y = translate(domain, x), z = translate(1 - domain, y);
    for (const [node, values] of [[canvas, x], [made, y], [back, z]]) rasterise(node, shape, (i) => values[i]);
    ways[domain].input.checked = true;
    gallery.forEach(({ input }, k) => (input.checked = k === n));
    const empty = !x.some((v) => v > 0), [own, other] = [names[domain], names[1 - domain]], letters = domain ? ["F", "G", "y"] : ["G", "F", "x"];
    const [G, F, v] = letters.map(symbol);
    const from = n >= 0 ? `${own} ${called(n)}` : empty ? `an empty pad: draw ${indefinite(own)}` : `your ${own}`;
    const off = n >= 0 ? `${number(error(y, shares(picture(1 - domain, n))), 3)} from the true one` : "";
    const home = empty ? "" : `${number(error(x, z), 3)} from where it began`;
    caption(captions[0], [v, `: ${own}`], n >= 0 ? called(n) : empty ? `draw ${indefinite(own)} here` : "drawn by you");
    caption(captions[1], [G, "(", v.cloneNode(true), `): ${other}`], off);
    caption(captions[2], [F, "(", G.cloneNode(true), "(", v.cloneNode(true), `)): ${own}`], home);
    canvas.setAttribute("aria-label", from);
    made.setAttribute("aria-label", `${other} made of ${from}${off && `, mean error per pixel ${off}`}`);
    back.setAttribute("aria-label", `${own} made of that ${other}${home && `, mean error per pixel ${home}`}`);
    const [column, row] = [Math.ceil(pen.x), Math.ceil(pen.y)], tool = eraser.checked ? "eraser" : "pen";
    Object.assign(nib.style, { left: `${(100 * pen.x) / w}%`, top: `${(100 * pen.y) / h}%`, width: `${(200 * (radius() + 0.4)) / w}%` });
    nib.classList.toggle("gn-down", pen.down);
    clearTimeout(waiting);
    const place = pad.classList.contains("gn-keys") ? `; ${tool} ${pen.down ? "down" : "up"} at row ${row}, column ${column}` : "";
    waiting = setTimeout(() => (status.textContent = `${from}${home && `; after the way there and back ${home}`}${place}`), 600);
  };

  const title = model.get("title");
  el.append(element("div", { class: "gannotes-widget gannotes-translator", role: "group", "aria-label": title || "Translation between two domains" },
    ...(title ? [element("p", { class: "gn-title" }, title)] : []),
    // A form keeps the radio names of two widgets apart.
    element("form", { onsubmit: (event) => event.preventDefault() },
      element("fieldset", { class: "gn-choice gn-ways" }, element("legend", { class: "gn-hidden" }, "direction"), element("div", {}, ...ways.map((r) => r.node))),
      element("div", { class: "gn-chain" },
        element("figure", {}, pad, captions[0]), element("figure", {}, made, captions[1]), element("figure", {}, back, captions[2])),
      element("div", { class: "gn-buttons" }, button("Clear", clear), button("Reset", reset),
        element("label", { class: "gn-check" }, eraser, "eraser"),
        element("span", { class: "gn-muted" }, "Draw with the pointer, or with arrow keys and Space. Errors are means of |difference| per pixel.")),
      element("fieldset", { class: "gn-choice gn-gallery" }, element("legend", {}, "pairs"), element("div", {}, ...gallery.map((r) => r.node))),
      status)));
  refresh();
  model.on("change", refresh);
  [made, back].forEach((node, k) => {
    node.gannotes = { forward: (z) => Array.from(translators[k](Float32Array.from(z))) };
  });
  canvas.gannotes = { pen };
  return () => {
    clearTimeout(waiting);
    model.off("change", refresh);
  };
}

export default { render };
