// Shared by the widgets: Python puts this file in front of each widget's own module.

// The numbers of a Bytes trait (a DataView): half-precision values become float32, exactly.
function decode(view, dtype) {
  const bytes = view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
  if (dtype === "float32") return new Float32Array(bytes);
  if (dtype === "uint8") return new Uint8Array(bytes);
  return Float32Array.from(new Uint16Array(bytes), (h) => {
    const sign = h & 0x8000 ? -1 : 1, exponent = (h >> 10) & 31, fraction = h & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}

// element("p", {class: "a", onclick: f}, child, ...): attributes, listeners and children in one call.
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

// A mathematical name as HTML: one letter, perhaps starred, perhaps with an index, e.g. c_1 or D*.
function symbol(name) {
  const [match, letter, star, index] = /^(\p{L})(\*)?(?:_(\w+))?$/u.exec(name) ?? [];
  if (!match) return element("span", {}, name);
  const node = element("span", { class: "gn-symbol" }, element("i", {}, letter));
  if (star) node.append("*");
  if (index) node.append(element("sub", {}, index));
  return node;
}

// A real minus sign keeps the width of a tabular digit.
const number = (x, digits = 2) => x.toFixed(digits).replace(/^-(0\.?0*)$/, "$1").replace("-", "\u2212");

const prefersStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// The largest of 1, 2, 5 times a power of ten that is at most x.
function nice(x) {
  const power = 10 ** Math.floor(Math.log10(x) + 1e-9), mantissa = x / power;
  return power * (mantissa >= 5 ? 5 : mantissa >= 2 ? 2 : 1);
}
