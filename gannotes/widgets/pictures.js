// Images of a network on canvases, and their classes in a sentence.
import { element } from "./elements.js";

// `level(i)` is the brightness of value i, black 0 and white 1.
export function rasterise(canvas, [channels, h, w], level) {
  const image = new ImageData(w, h), area = h * w;
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = 255 * level(channels === 1 ? i : c * area + i);
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

// An image that tells no more than the control that it stands in; with a label, one that does.
export const thumbnail = (smooth, label) => element("span", { class: `gn-thumbnail${smooth ? "" : " gn-pixels"}`, role: label ? "img" : null, "aria-label": label, "aria-hidden": label ? null : "true" });
export const show = (node, canvas) => {
  node.style.backgroundImage = `url(${canvas.toDataURL()})`;
  return node;
};

export const indefinite = (name) => `${/^(8|11|18|[aeiou])/i.test(name) ? "an" : "a"} ${name}`;
