// What moves by itself: one loop of animation frames, which a hidden page stops.

export const prefersStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

const LONGEST = 0.1; // seconds: after a pause of the browser a walk goes on, and does not jump

// `step(seconds)` runs in every frame, with the time since the last one, until it returns false or the page is hidden;
// `changed(running)` when it starts and when it ends by itself.
export function walk(step, changed = () => {}) {
  let frame = 0;
  const stop = () => {
    cancelAnimationFrame(frame);
    frame = 0;
    document.removeEventListener("visibilitychange", hide);
  };
  const end = () => {
    stop();
    changed(false);
  };
  const hide = () => document.hidden && end();
  const start = () => {
    stop();
    let before = performance.now();
    const tick = (now) => {
      const seconds = Math.min(LONGEST, Math.max(0, now - before) / 1000);
      before = now;
      frame = requestAnimationFrame(tick);
      if (step(seconds) === false && frame) end();
    };
    frame = requestAnimationFrame(tick);
    document.addEventListener("visibilitychange", hide);
    changed(true);
  };
  return { start, stop, end, get running() { return frame !== 0; } };
}
