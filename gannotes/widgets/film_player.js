// A saved run in pictures: what became of the same codes, one frame at a time.
import { card, follow } from "./card.js";
import { element } from "./elements.js";
import { rasterise } from "./pictures.js";
import { transport } from "./transport.js";

const GAP = 2; // pixels of a picture

const inflated = (bytes) => new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();

// Half a byte a pixel, the first of two in the higher half.
export const grey = (bytes, i) => (i % 2 ? bytes[i >> 1] & 15 : bytes[i >> 1] >> 4);

function render({ model, el }) {
  const { frames, count, size: [h, w], columns } = model.get("view"), rows = Math.ceil(count / columns), title = model.get("title") || "Pictures of a training run";
  const canvas = element("canvas", { role: "img", width: columns * (w + GAP) - GAP, height: rows * (h + GAP) - GAP });
  const tile = element("canvas", { width: w, height: h }), caption = element("span", { class: "gn-caption" });
  const player = transport(model, frames - 1, model.get("labels"));
  let film = null;
  const refresh = () => {
    const label = player.show();
    caption.textContent = label;
    canvas.setAttribute("aria-label", `${title}: ${count} pictures, ${label}`);
    if (!film) return;
    for (let n = 0; n < count; n++) {
      const from = (player.now() * count + n) * h * w;
      rasterise(tile, [1, h, w], (i) => grey(film, from + i) / 15);
      canvas.getContext("2d").drawImage(tile, (n % columns) * (w + GAP), Math.floor(n / columns) * (h + GAP));
    }
  };
  card(model, el, "film", "Pictures of a training run", element("div", { class: "gn-stage" }, canvas), caption, player.node, player.voice.node);
  inflated(model.get("film")).then((bytes) => {
    film = new Uint8Array(bytes);
    refresh();
  });
  return follow(model, "change:frame", refresh, player.stop);
}

export default { render };
