// What moves a saved run: Play, a slider over its frames, the speed. The trait `frame` says where it is.
import { announcer } from "./announce.js";
import { button, select, setter, slider } from "./controls.js";
import { element } from "./elements.js";
import { clamp } from "./numbers.js";
import { walk } from "./walk.js";

const RATE = 12; // frames a second at speed 1

export function transport(model, last, labels) {
  const set = setter(model), voice = announcer(), now = () => clamp(model.get("frame"), 0, last);

  // Playing writes the trait alone; the kernel hears of it at the end.
  let position = 0;
  const moving = walk((seconds) => {
    position += seconds * RATE * +speed.input.value;
    model.set("frame", Math.min(last, Math.floor(position)));
    return position < last;
  }, (running) => {
    play.textContent = running ? "Pause" : "Play";
    if (running) return;
    model.save_changes();
    voice.now(labels[now()]);
  });
  const start = () => {
    if (now() >= last) model.set("frame", 0);
    position = now();
    moving.start();
  };
  const play = button("Play", () => (moving.running ? moving.end() : start()));
  const scrub = slider({ label: element("span", {}, "Frame"), min: 0, max: last, step: 1, input: (frame) => {
    if (moving.running) moving.end();
    set({ frame });
  } });
  scrub.output.remove(); // the caption says more
  const speed = select({ label: "Speed", options: [0.5, 1, 2, 4].map((s) => [s, `${s} \u00d7`]), pick() {} });
  speed.show(1);

  // Sets the slider to the frame on show, and says what its label is.
  const show = () => {
    scrub.show(now(), labels[now()]);
    return labels[now()];
  };
  const stop = () => {
    moving.stop();
    voice.stop();
  };
  return { now, show, stop, voice, node: element("div", { class: "gn-buttons" }, play, scrub.node, speed.node) };
}
