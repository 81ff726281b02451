// Elements of the page.

const CONTROLS = ["input", "select", "button"];

// element("p", {class: "a", onclick: f}, child, ...): attributes, listeners and children in one call. What takes keys
// says so to JupyterLab, whose shortcuts would take them: an "x" on a slider would cut the cell.
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  if (CONTROLS.includes(tag) || "tabindex" in attributes) node.setAttribute("data-lm-suppress-shortcuts", "true");
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

// One letter, perhaps starred, perhaps with an index, e.g. c_1 or D*: its parts, or null for other words.
export function parts(name) {
  const [match, letter, star = "", index = ""] = /^(\p{L})(\*)?(?:_([\w\p{L}]+))?$/u.exec(name) ?? [];
  return match ? { letter, star, index } : null;
}

// A mathematical name as HTML.
export function symbol(name) {
  const found = parts(name);
  if (!found) return element("span", {}, name);
  const node = element("span", { class: "gn-symbol" }, element("i", {}, found.letter), found.star);
  if (found.index) node.append(element("sub", {}, found.index));
  return node;
}

// "p^{a}" with its exponent raised and single letters in italics, as the children of an element.
const italics = (text) => text.split(/(?<!\p{L})([a-zD-F\u03b1])(?!\p{L})/u).map((part, i) => (i % 2 ? element("i", {}, part) : part));
export const maths = (text) => text.split(/([\^_]\{[^}]*\})/).flatMap((part) =>
  /^[\^_]\{/.test(part) ? element(part[0] === "^" ? "sup" : "sub", {}, ...italics(part.slice(2, -1))) : italics(part));
export const plain = (text) => text.replace(/[\^_]\{([^}]*)\}/g, "$1");
