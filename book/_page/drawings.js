// Lays a drawing out for a narrow screen: its panels below or beside each other, with text that can be read.
//
// A drawing of 504 printer's points holds panels, `g#...axes_N`. Their boxes are measured in the page, a colour bar or a
// second axis joins the panel that it belongs to, and each panel becomes a drawing of its own. A single wide panel is
// squeezed sideways instead, and its text is not.

const NARROW = 480; // px
const TEXT = 9.5; // px: what the smallest text of a drawing may come out at
const inside = (a, b) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
const union = (a, b) => {
  const x = Math.min(a.x, b.x), y = Math.min(a.y, b.y);
  return { x, y, width: Math.max(a.x + a.width, b.x + b.width) - x, height: Math.max(a.y + a.height, b.y + b.height) - y };
};

// The groups of elements that belong together, each with its box, from top left to bottom right.
function panels(svg) {
  const figure = svg.querySelector("g");
  const parts = [...figure.children].filter((part) => !part.id.includes("patch_"));
  const found = [];
  for (const part of parts) {
    const box = part.getBBox();
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
    const own = document.createElementNS(svg.namespaceURI, "svg");
    const margin = 2;
    own.setAttribute("viewBox", [box.x - margin, box.y - margin, box.width + 2 * margin, box.height + 2 * margin].join(" "));
    own.append(...parts);
    const wide = parts.every((part) => part.id.includes("text_")) ? Math.min(width, box.width * scale) : width / columns;
    own.style.width = `${Math.min(wide, box.width * scale * 1.25)}px`;
    return own;
  });
  host.classList.add("stacked");
  host.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  svg.replaceWith(...drawings, rest);
  drawings.forEach((own, i) => enlarge(own, found[i].parts));
}

// A row of pictures is as wide as the screen, and its words would come out too small: they grow, the pictures do not.
function enlarge(own, parts) {
  const now = own.getBoundingClientRect().width / own.viewBox.baseVal.width, factor = TEXT / (smallest(own) * now);
  if (!own.querySelector("image") || !(factor > 1.02) || !Number.isFinite(factor)) return;
  for (const text of own.querySelectorAll("text")) {
    if (/rotate\(-?90/.test(text.getAttribute("transform") ?? "")) continue;
    const [x, y] = [text.getAttribute("x") ?? 0, text.getAttribute("y") ?? 0];
    text.setAttribute("transform", `translate(${x} ${y}) scale(${factor}) translate(${-x} ${-y})`);
  }
  const box = parts.map((part) => part.getBBox()).reduce(union), margin = 2;
  own.setAttribute("viewBox", [box.x - margin, box.y - margin, box.width + 2 * margin, box.height + 2 * margin].join(" "));
}

// One wide panel: everything is squeezed by `squeeze` in x, and each text, mark and picture keeps its shape.
function narrow(svg, box, width) {
  const scale = TEXT / smallest(svg);
  const squeeze = width / (box.width * scale);
  if (squeeze >= 1 || svg.querySelector("image") || !Number.isFinite(scale)) return;
  const figure = svg.querySelector("g");
  figure.setAttribute("transform", `scale(${squeeze} 1)`);
  for (const text of figure.querySelectorAll("text")) {
    const group = text.closest("g[transform]:not(:scope)");
    const turned = /rotate\(-?90/.test((group !== figure && group?.getAttribute("transform")) || text.getAttribute("transform") || "");
    const keep = turned ? `scale(1 ${1 / squeeze})` : `scale(${1 / squeeze} 1)`;
    if (text.hasAttribute("x") && text.getAttribute("x") !== "0") {
      const [x, y] = [text.getAttribute("x"), text.getAttribute("y")];
      text.setAttribute("transform", `translate(${x} ${y}) ${turned ? `rotate(-90) ${keep}` : keep} translate(${-x} ${-y})`);
    } else text.setAttribute("transform", keep);
  }
  for (const mark of figure.querySelectorAll("use")) {
    const [x, y] = ["x", "y"].map((name) => parseFloat(mark.getAttribute(name)));
    mark.setAttribute("transform", `translate(${x} ${y}) scale(${1 / squeeze} 1) translate(${-x} ${-y})`);
  }
  for (const line of figure.querySelectorAll("path")) line.setAttribute("vector-effect", "non-scaling-stroke");
  const margin = 2;
  svg.setAttribute("viewBox", [box.x * squeeze - margin, box.y - margin, box.width * squeeze + 2 * margin, box.height + 2 * margin].join(" "));
  thin(figure);
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
    const found = panels(svg);
    if (found.length > 1) stack(host, svg, found, width);
    else if (found.length) narrow(svg, found[0].box, width);
  }
});
