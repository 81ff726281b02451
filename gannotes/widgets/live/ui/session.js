// One game in the engine: opened when it is first asked for, played and paused; of all in a page only one plays.
import { openEngine } from "../open.js";

const MOST = 20000; // steps, after which it stops by itself
const PLAYING = Symbol.for("gannotes.live.playing");

// `ask()` gives {spec, settings, look}; `on` hears ready(message), frame(message), stopped(message), playing(whether), weights(message).
export function session({ text, wasm, ask, on }) {
  let engine = null, playing = false, waiting = true, step = 0, pace = {}, until = 0, looked = null;
  const heard = {
    ready(message) {
      waiting = false;
      on.ready(message);
    },
    frame(message) {
      if (waiting) return; // of the game before
      step = message.step;
      on.frame(message);
    },
    done: (message) => {
      play(false);
      on.done(message);
    },
    stopped(message) {
      play(false);
      on.stopped(message);
    },
    weights: (message) => on.weights(message),
  };
  const send = (message) => engine?.send(message);
  const tell = () => send({ type: "play", ...pace, until });
  function play(start) {
    if (start === playing) return;
    playing = start;
    if (start) {
      globalThis[PLAYING]?.(); // another one of the page
      globalThis[PLAYING] = pause;
      open();
      until = step + MOST;
      tell();
    } else if (globalThis[PLAYING] === pause) globalThis[PLAYING] = null;
    on.playing(playing);
  }
  function pause() {
    if (!playing) return;
    play(false);
    send({ type: "pause" });
    send({ type: "weights" });
  }
  function open() {
    if (engine) return;
    engine = openEngine(text, (message) => heard[message.type]?.(message));
    begin();
  }
  function begin() {
    waiting = true;
    step = 0;
    const asked = ask();
    looked = asked.look;
    send({ type: "start", wasm, ...asked });
  }
  function restart() {
    const again = playing;
    play(false);
    if (!engine) return open();
    begin();
    if (again) play(true);
  }
  function phase() {
    pause();
    open();
    send({ type: "phase" });
  }
  function set(settings, look) {
    send({ type: "set", settings });
    if (JSON.stringify(look) !== JSON.stringify(looked)) send({ type: "look", look });
    looked = look;
  }
  function speed(rate, interval) {
    pace = { rate: rate || Infinity, interval };
    if (playing) tell();
  }
  function close() {
    pause();
    engine?.close();
  }
  return { open, play: () => play(true), pause, restart, phase, set, speed, close, get playing() { return playing; } };
}
