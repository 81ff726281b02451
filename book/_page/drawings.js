// Lays a drawing out for a narrow screen: its panels below or beside each other, with text that can be read.
//
// A drawing of 504 printer's points holds panels, `g#...axes_N`. Their boxes are measured in the page, a colour bar or a
// second axis joins the panel that it belongs to, and each panel becomes a drawing of its own. A panel that is still too
// wide is squeezed sideways, and its text is not; where there is a picture in it, the text grows instead.

const NARROW = 480; // px
const TEXT = 9.5; // px: what the smallest text of a drawing may come out at
const inside = (a, b) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
const union = (a, b) => {
  const x = Math.min(a.x, b.x), y = Math.min(a.y, b.y);
  return { x, y, width: Math.max(a.x + a.width, b.x + b.width) - x, height: Math.max(a.y + a.height, b.y + b.height) - y };
};

// The box of what is seen of a part: a curve that is clipped may reach far beyond its panel, a picture does not.
function seen(part) {
  const clipped = [...part.querySelectorAll("[clip-path]")].filter((each) => each.style.display !== "none" && each.tagName !== "image" && !each.querySelector("image"));
  for (const each of clipped) each.style.display = "none";
  const { x, y, width, height } = part.getBBox(); // copied: `...box` of the browser's own object is empty
  for (const each of clipped) each.style.display = "";
  return { x, y, width, height };
}

// The groups of elements that belong together, each with its box, from top left to bottom right.
function panels(svg) {
  const figure = svg.querySelector("g");
  const parts = [...figure.children].filter((part) => !part.id.includes("patch_"));
  const found = [];
  for (const part of parts) {
    const box = seen(part);
    if (!box.width || !box.height) continue;
    const bar = box.width < 45 && !part.id.includes("text_");
    const place = bar ? nearest(found, box) : found.find((panel) => overlap(panel.box, box) > 0.5);
    if (place) {
      place.parts.push(part);
      place.box = union(place.box, box);
    } else found.push({ parts: [part], box });
  }
  return found;
}

// The panel beside which a colour bar stands.
function nearest(found, bar) {
  const beside = found.filter(({ box }) => box.y < bar.y + bar.height && bar.y < box.y + box.height);
  const gap = ({ box }) => Math.abs(bar.x - box.x - box.width);
  return beside.sort((a, b) => gap(a) - gap(b))[0];
}

// How much of the smaller box the larger one covers.
function overlap(a, b) {
  if (!inside(a, b)) return 0;
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return (width * height) / Math.min(a.width * a.height, b.width * b.height);
}

function smallest(svg) {
  const sizes = [...svg.querySelectorAll("text, tspan")].map((text) => parseFloat(text.style.fontSize)).filter(Boolean);
  return sizes.length ? Math.min(...sizes) : Infinity;
}

function stack(host, svg, found, width) {
  const scale = TEXT / smallest(svg);
  const widest = Math.max(...found.map((panel) => panel.box.width));
  const columns = Math.max(1, Math.floor(width / (Math.min(widest * scale, width) + 6)));
  const shared = [...svg.children].filter((part) => part.tagName === "defs");
  const rest = document.createElementNS(svg.namespaceURI, "svg"); // clip paths and marks that all panels use
  rest.setAttribute("width", 0);
  rest.setAttribute("height", 0);
  rest.style.position = "absolute";
  rest.append(...shared);
  const drawings = found.map(({ parts, box }) => {
    const own = document.createElementNS(svg.namespaceURI, "svg"), figure = document.createElementNS(svg.namespaceURI, "g");
    frame(own, box);
    figure.append(...parts);
    own.append(figure);
    const wide = parts.every((part) => part.id.includes("text_")) ? Math.min(width, box.width * scale) : width / columns;
    own.style.width = `${Math.min(wide, box.width * scale * 1.25)}px`;
    return own;
  });
  host.classList.add("stacked");
  host.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  svg.replaceWith(...drawings, rest);
  drawings.forEach((own, i) => readable(own, found[i].box));
}

function frame(svg, { x, y, width, height }) {
  const margin = 2;
  svg.setAttribute("viewBox", [x - margin, y - margin, width + 2 * margin, height + 2 * margin].join(" "));
}

// What a single panel needs, once it has a place in the page.
function readable(svg, box) {
  const width = svg.getBoundingClientRect().width, figure = svg.querySelector("g");
  if (smallest(svg) * width >= 0.97 * TEXT * box.width) return;
  if (svg.querySelector("image")) grow(svg, figure, box, width);
  else narrow(svg, figure, box, width);
}

// A text is put into place by its own coordinates, by a transform of its own or by that of a group, and a quarter turn is part of that.
function placed(text, figure) {
  const group = text.closest("g[transform]:not(:scope)"), own = text.hasAttribute("x") && text.getAttribute("x") !== "0", before = text.getAttribute("transform") ?? "";
  const turned = /rotate\(-?90/.test((group !== figure && group?.getAttribute("transform")) || before);
  const [x, y] = [text.getAttribute("x"), text.getAttribute("y")];
  return { own, turned, set: (change) => text.setAttribute("transform", own ? `translate(${x} ${y}) ${turned ? "rotate(-90) " : ""}${change} translate(${-x} ${-y})` : `${before} ${change}`) };
}

// The picture keeps its shape, each text grows where it stands, and the drawing's frame with it. Formulas have no anchor: what
// stands to the left of the picture grows to the left, what stands above it to both sides.
function grow(svg, figure, box, width) {
  const least = smallest(svg), left = svg.querySelector("image").getBoundingClientRect().left;
  if (!Number.isFinite(least)) return;
  const texts = [...figure.querySelectorAll("text")].map((text) => {
    const { own, set } = placed(text, figure), { x, width: wide } = text.getBBox();
    return { set, held: own ? 0 : x + (text.getBoundingClientRect().right <= left + 2 ? wide : wide / 2) };
  });
  for (let round = 0; round < 3; round++) {
    const scale = (TEXT * box.width) / (least * width);
    texts.forEach(({ set, held }) => set(`translate(${(1 - scale) * held} 0) scale(${scale})`));
    box = [...figure.children].filter((part) => !part.id.includes("patch_")).map(seen).filter((b) => b.width && b.height).reduce(union);
  }
  frame(svg, box);
}

// One wide panel: everything is squeezed in x, and each text, mark and legend keeps its shape. What texts then need
// beside the panel is measured, and the panel gives it up.
function narrow(svg, figure, box, width) {
  const scale = TEXT / smallest(svg), wide = width / scale;
  if (wide >= box.width || !Number.isFinite(scale)) return;
  const legends = [...figure.querySelectorAll('g[id*="legend_"]')].map((legend) => ({ legend, at: legend.getBBox() }));
  const outside = (part) => !part.closest('g[id*="legend_"]');
  const texts = [...figure.querySelectorAll("text")].filter(outside).map((text) => placed(text, figure));
  const marks = [...figure.querySelectorAll("use")].filter(outside).map((mark) => ({ mark, x: mark.getAttribute("x"), y: mark.getAttribute("y") }));
  for (const line of figure.querySelectorAll("path")) line.setAttribute("vector-effect", "non-scaling-stroke");
  let squeeze = wide / box.width;
  for (let round = 0; round < 4; round++) {
    figure.setAttribute("transform", `scale(${squeeze} 1)`);
    for (const { turned, set } of texts) set(turned ? `scale(1 ${1 / squeeze})` : `scale(${1 / squeeze} 1)`);
    for (const { mark, x, y } of marks) mark.setAttribute("transform", `translate(${x} ${y}) scale(${1 / squeeze} 1) translate(${-x} ${-y})`);
    box = [...figure.children].filter((part) => !part.id.includes("patch_")).map(seen).filter((b) => b.width && b.height).reduce(union);
    if (round < 3) squeeze *= wide / (box.width * squeeze);
  }
  for (const { legend, at } of legends) {
    const scale = Math.min(1, wide / at.width) / squeeze, left = start(at, scale, box);
    legend.setAttribute("transform", `translate(${left - scale * at.x} 0) scale(${scale} 1)`);
  }
  frame(svg, { ...box, x: box.x * squeeze, width: box.width * squeeze });
  thin(figure);
}

// Where a legend begins: it keeps its left edge on the left of a panel, its right one on the right, else its middle.
function start(legend, scale, box) {
  const place = (legend.x + legend.width / 2 - box.x) / box.width, held = place < 0.4 ? 0 : place > 0.6 ? 1 : 0.5;
  const left = legend.x + legend.width * held * (1 - scale);
  return Math.max(box.x, Math.min(left, box.x + box.width - legend.width * scale));
}

// A turned label of one letter has no need to be turned.
function upright(svg) {
  for (const text of svg.querySelectorAll("text")) {
    const holder = [text, text.closest("g[transform]")].find((node) => /rotate\(-?90/.test(node?.getAttribute("transform") ?? ""));
    if (holder && text.textContent.trim().length === 1) holder.setAttribute("transform", holder.getAttribute("transform").replace(/rotate\([^)]*\)/, ""));
  }
}

// Every second label of an axis goes until none lies on another.
function thin(figure) {
  for (const axis of figure.querySelectorAll('[id*="matplotlib.axis_"]')) {
    let texts = [...axis.querySelectorAll('[id*="tick_"] text')];
    const crowded = () => texts.some((text, i) => i && inside(texts[i - 1].getBoundingClientRect(), text.getBoundingClientRect()));
    while (texts.length > 2 && crowded()) {
      for (const text of texts.filter((_, i) => i % 2)) text.remove();
      texts = texts.filter((_, i) => i % 2 === 0);
    }
  }
}

document.addEventListener("DOMContentLoaded", () => {
  for (const host of document.querySelectorAll(".bd-article .vector")) {
    const svg = host.querySelector("svg");
    const width = host.clientWidth;
    if (!svg || !width || width >= NARROW) continue;
    upright(svg);
    const found = panels(svg);
    if (found.length > 1) stack(host, svg, found, width);
    else if (found.length) readable(svg, found[0].box);
  }
});
