// What an encoder ascends whose critic does not follow: the bound L, and what the late critic prints.
import { announcer } from "./announce.js";
import { card, follow } from "./card.js";
import { chart, legend, panel, swatch, write } from "./charts.js";
import { button, setter, slider } from "./controls.js";
import { element, symbol } from "./elements.js";
import { clamp, number, spread } from "./numbers.js";
import { prefersStill, walk } from "./walk.js";

const STEPS = 40, RATE = 0.01, PACE = 1 / 30; // s for a step
const height = (width) => clamp(0.5 * width, 220, 330);

// KL between two Gaussians of one mean.
export const divergence = (s, other) => Math.log(other / s) + (s * s) / (2 * other * other) - 0.5;

// The bound, and what is printed; `climb` is a step of the encoder while the critic rests. Where the critic is exact the
// two slopes agree, so that a step with `held = s` is one up the bound.
export function game({ logP, posterior, limits }) {
  const bound = (s) => logP - divergence(s, posterior);
  const printed = (s, held) => bound(s) + divergence(s, held);
  const climb = (s, held, rate = RATE) => clamp(s + rate * s * (1 / (held * held) - 1 / (posterior * posterior)), ...limits);
  return { bound, printed, climb };
}

function draw({ logP, posterior, limits, sigma, held, bound, printed }, context, width, ink) {
  const bottom = height(width) - 40, x = spread(limits, Math.ceil(width / 2)), low = logP - 2, high = logP + 1.2;
  const box = panel(context, ink, { left: 60, right: width - 12, top: 8, bottom, x: [0, 1.1], y: [low, high] });
  box.frame({ names: ["\u03c3", "nats"] });
  box.line([0, 1.1], [logP, logP], "--gn-best", 1.5, [2, 4]);
  box.line([posterior, posterior], [low, high], "--gn-best", 1, [2, 4]);
  box.line(x, x.map(bound), "--gn-q", 2.25);
  box.line(x, x.map((s) => printed(s, held)), "--gn-D", 2.25, [8, 4]);
  box.dots([held, bound(held)], "--gn-best", { radius: 5, width: 1.5 });
  box.line([sigma, sigma], [bound(sigma), printed(sigma, held)], "--gn-other", 3);
  box.dots([sigma, bound(sigma)], "--gn-q", { radius: 5 });
  box.dots([sigma, printed(sigma, held)], "--gn-D", { radius: 5 });
  context.fillStyle = ink("--gn-text");
  write(context, "log p(x)", width - 18, box.Y(logP) - 5, "right");
  write(context, "posterior", box.X(posterior) + 5, bottom - 8, "left");
}

function render({ model, el }) {
  const [logP, posterior, limits, start] = ["log_p", "posterior", "limits", "sigma"].map((trait) => model.get(trait));
  const rules = game({ logP, posterior, limits }), voice = announcer(), set = setter(model), origin = { sigma: start, held: model.get("held") };
  const now = () => ({ logP, posterior, limits, sigma: model.get("sigma"), held: model.get("held"), ...rules });
  const { canvas, stage, paint, stop } = chart(height, (...at) => draw(now(), ...at));

  // `step` changes the two widths, STEPS times: one after the other, or at once for who wants no motion.
  let step, left = 0, spent = 0;
  const glide = walk((seconds) => {
    for (spent += seconds; spent >= PACE && left > 0; spent -= PACE, left--) set(step(now()));
    return left > 0;
  });
  const play = (rule) => () => {
    [step, left, spent] = [rule, STEPS, 0];
    if (!prefersStill()) return glide.start();
    for (; left > 0; left--) set(step(now()));
  };
  const still = (change) => () => {
    glide.stop();
    set(change());
  };
  const inTurn = ({ sigma, held }) => {
    const next = rules.climb(sigma, held);
    return { sigma: next, held: next };
  };
  const width = slider({ label: symbol("\u03c3"), name: "sigma of the encoder", min: limits[0], max: limits[1], step: 0.01, input: (sigma) => still(() => ({ sigma }))() });
  const words = element("p", { class: "gn-note" });
  const refresh = () => {
    const { sigma, held, bound, printed } = now(), value = printed(sigma, held), flatters = value - bound(sigma);
    width.show(sigma);
    words.textContent = `Printed ${number(value)}, true bound ${number(bound(sigma))}: the critic of \u03c3 = ${number(held)} flatters by ${number(flatters)} nats`
      + (value > logP + 0.005 ? `, and ${number(value - logP)} of them are above log p(x) = ${number(logP)}.` : ".");
    canvas.setAttribute("aria-label", `Bounds against the encoder's width. ${words.textContent}`);
    paint();
    voice.say(words.textContent);
  };
  card(model, el, "late", "The late critic",
    legend([swatch("--gn-q", { width: 2.25 }), "bound ", symbol("L")], [swatch("--gn-D", { dash: "8 4", width: 2.25 }), "printed, the critic at rest"],
      [swatch("--gn-other", { width: 3 }), "what it flatters"]),
    stage, width.node, words,
    element("div", { class: "gn-buttons" }, button("Encoder ascends", play(({ sigma, held }) => ({ sigma: rules.climb(sigma, held) }))),
      button("Train the critic", still(() => ({ held: model.get("sigma") }))),
      button("In turn", play(inTurn)), button("Reset", still(() => origin))),
    voice.node);
  canvas.gannotes = rules;
  return follow(model, "change", refresh, glide.stop, voice.stop, stop);
}

export default { render };
