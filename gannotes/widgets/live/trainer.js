// Plays a game and answers messages: in a worker, or on the page where workers are refused (see worker.js for the messages).
import { Game } from "./game.js";
import { kernels } from "./kernels.js";
import { Numbers } from "./numbers.js";
import { Pictures } from "./pictures.js";

const SLICE = 12; // milliseconds of steps before the page, or the next message, has its turn,
const MOST = 100; // and no more steps than these, in case the clock does not move
const SLOW = 12; // steps a second, below which every move is shown

export class Trainer {
  // `post(message, transfer)` and `now()` are the outer world.
  constructor(post, now = () => performance.now()) {
    Object.assign(this, { post, now, game: null, playing: false, rate: Infinity, interval: 33, timer: null, sums: new Map() });
  }
  handle(message) {
    const answer = { start: this.start, set: this.set, look: this.look, play: this.play, pause: this.pause, phase: this.phase, step: this.step, weights: this.weights }[message.type];
    if (!answer) throw new TypeError(`message: expected start, set, look, play, pause, phase, step or weights, got ${message.type}`);
    if (message.type !== "start" && !this.game) throw new Error(`message: expected start first, got ${message.type}`);
    this.guarded(() => answer.call(this, message));
  }
  // Whatever goes wrong ends the play, and says at which step of which player; the weights are as they were before.
  guarded(f) {
    try {
      f();
    } catch (error) {
      this.playing = false;
      this.post({ type: "stopped", message: error.message, step: this.game?.steps ?? 0 });
    }
  }

  start({ spec, settings = {}, look = {}, wasm = null }) {
    this.playing = false;
    this.kernels ??= kernels(wasm);
    this.game = new Game(spec, this.kernels, settings);
    this.looking = { layers: ["data", "samples"], every: 6, ...look };
    this.pictures = new Pictures(this.game, this.looking);
    this.numbers = null;
    this.frames = 0;
    this.sums.clear();
    this.post({ type: "ready", kernels: this.kernels.name, window: this.pictures.window, centres: this.pictures.centres(), other: this.pictures.other });
    this.frame();
  }
  set({ settings }) {
    this.game.set(settings);
    this.frame();
  }
  look({ look }) {
    Object.assign(this.looking, look);
    Object.assign(this.pictures, look);
    this.frame();
  }
  play({ rate = Infinity, interval = 33, until = Infinity }) {
    Object.assign(this, { rate, interval, until });
    if (this.playing) return;
    Object.assign(this, { playing: true, last: this.now(), drawn: this.now(), owed: rate < SLOW ? 0.5 : 0 });
    this.tick();
  }
  pause() {
    this.playing = false;
    this.frame();
  }
  phase() {
    this.playing = false;
    this.turn();
  }
  step({ count = 1 }) {
    for (let i = 0; i < count; i++) this.advance();
    this.frame();
  }
  weights() {
    const values = this.game.weights();
    this.post({ type: "weights", step: this.game.steps, values, average: this.game.averaged(() => this.game.weights()) }, [values.buffer]);
  }

  turn() {
    const who = this.game.turn();
    if (!this.game.moves) this.count();
    this.frame(who);
  }
  advance() {
    this.game.step();
    this.count();
  }
  // Between two frames the numbers of the steps are averaged.
  count() {
    for (const [name, value] of Object.entries(this.game.last)) {
      [value].flat().forEach((v, i, all) => {
        const key = all.length > 1 || Array.isArray(value) ? `${name} ${i}` : name, [n, s] = this.sums.get(key) ?? [0, 0];
        this.sums.set(key, [n + 1, s + v]);
      });
    }
  }

  tick() {
    if (!this.playing) return;
    const now = this.now(), passed = now - this.last;
    this.last = now;
    this.owed = this.rate === Infinity ? Infinity : Math.min(this.owed + (passed * this.rate) / 1000, Math.max(1, this.rate / 10));
    this.guarded(() => (this.rate < SLOW ? this.slowly() : this.quickly(now)));
    if (this.playing && this.game.steps >= this.until) {
      this.pause();
      this.post({ type: "done", step: this.game.steps });
    }
    if (this.playing) setTimeout(() => this.tick(), this.rate < 60 ? 40 : 0);
  }
  slowly() {
    for (; this.playing && this.owed >= 0.5; this.owed -= 0.5) this.turn();
  }
  quickly(now) {
    let done = 0;
    for (; done < MOST && this.owed >= 1 && this.game.steps < this.until; done++, this.owed--) {
      this.advance();
      if (this.now() - now >= SLICE) break;
    }
    if (done === MOST || this.now() - this.drawn >= this.interval) this.frame();
  }

  // What is looked at now; the numbers only every few frames, or when nothing moves.
  frame(played = null) {
    this.drawn = this.now();
    const { game, looking, pictures } = this, full = !this.playing || this.rate < SLOW || this.frames++ % looking.every === 0;
    if (full) this.numbers ??= new Numbers(game, pictures);
    const layers = Object.fromEntries(looking.layers.map((name) => [name, pictures.layer(name)]));
    const values = Object.fromEntries([...this.sums].map(([name, [n, s]]) => [name, s / n]));
    this.sums.clear();
    this.post({
      type: "frame", step: game.steps, next: game.phase, played, values, layers, playing: this.playing,
      rates: { theta: game.players.theta.rate, phi: game.players.phi.rate, gamma: game.gamma },
      numbers: full && looking.numbers !== false ? this.numbers.all() : null,
    });
  }
}
