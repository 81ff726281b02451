// The engine: what runs behind a figure that trains. bundle.py joins this module and its imports into one text, and
// `openEngine` of open.js runs it in a worker or, where that is refused, on the page.
//
// Messages to the engine
//   {type: "start", spec, settings, look, wasm}   a new game; also "start again". wasm: the bytes of kernels.wasm, or null
//   {type: "set", settings}      change settings between two moves, without a restart
//   {type: "look", look}         change what frames contain
//   {type: "play", rate, interval, until}   rate: steps a second (Infinity: as fast as possible; below 12 a frame follows
//                                every move); interval: milliseconds between frames; until: stop at this number of steps
//   {type: "pause"}              stop; a frame follows
//   {type: "phase"}              one turn of one player (critic, then generator), and a frame
//   {type: "step", count}        whole steps, and a frame
//   {type: "weights"}            ask for all weights
//
// Messages from the engine
//   {type: "ready", kernels: "wasm" | "js", window, centres: {d, centres, sds}}   after "start"; a frame follows
//   {type: "frame", step, next, played, playing, values, rates: {theta, phi, gamma}, layers, numbers}
//       step: whole steps done; next: who moves next, "theta", "phi" or "both"; played: whose turn this frame shows, or null
//       values: what the model's step returned, averaged over the steps since the last frame ({} if there was none): value,
//               penalty; "information 0", ...; cycle; elbo, kl. The critic's own value is value + penalty
//       layers: {name: layer or null}, see pictures.js; numbers: see numbers.js, or null (only every `look.every` frames)
//   {type: "done", step}         `until` was reached
//   {type: "stopped", step, message}   something was not finite, or not understood: "step 12, phi: objective: expected a
//       finite value, got NaN". No weight was touched; another setting and "play" go on from there
//   {type: "weights", step, values, average}   Float32Array in the order of spec.weights; average: with theta's running mean
//
// spec: {model, networks, weights, base, code, data, other, labelled, seed}
//   model: "gan" (f-GAN too), "infogan", "cyclegan", "vae", "ali", "avb"; networks: descriptions by name, see networks.js:
//   G and D; G, trunk, D and Q; G, F, D_X and D_Y; encoder and decoder; these and D; these and r
//   weights: Float32Array of all parameters in the order of the description, or null to draw them
//   base, code: laws of noise, see random.js; data, other (CycleGAN's second domain): toys, see toys.js
//   labelled: whether G and D take the label of the component, one-hot, as second input; seed: an integer
// settings: theta, phi (rates), rule ("adam" | "sgd"), momentum (Adam's beta_1), beta2, batch, average (0 to 1: how slowly
//   the weights that are drawn follow), fall (steps in which the rates fall to a tenth; 0: never), hold (theta rests), and
//   bound, K, gamma, flip, together (both at once: f-GAN's single step), lam, N_z, beta, sampled_kl, contrast (0: none)
// look: layers (names), every, numbers (false: none), window, side, latent, label, code (of (0, 1]: the first continuous code from -1 to 1)
import { Trainer } from "./trainer.js";

function connect(post) {
  const trainer = new Trainer(post);
  return (message) => trainer.handle(message);
}
if (typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope) {
  const handle = connect((message, transfer = []) => self.postMessage(message, transfer));
  self.onmessage = ({ data }) => handle(data);
  self.postMessage({ type: "here" });
} else globalThis[Symbol.for("gannotes.engine")] = connect; // a text that was imported has no other way to hand it over
