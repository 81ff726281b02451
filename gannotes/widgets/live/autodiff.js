// Reverse-mode automatic differentiation of matrices, to any order: a backward rule is made of the same operations, so that
// a gradient can be differentiated again. What a step makes is forgotten at once when the next begins: nothing is collected.

export class Tensor {
  constructor(tape, at, r, c) {
    this.tape = tape;
    this.at = at; // the address of its first number
    this.r = r;
    this.c = c;
    this.id = -1; // the place on the tape, if a gradient can reach it
  }
  get n() { return this.r * this.c; }
  get values() { return this.tape.heap.subarray(this.at, this.at + this.n); } // a view, until the heap grows or the step ends
  get item() { return this.tape.heap[this.at]; }
}

export class Tape {
  constructor(kernels) {
    this.kernels = kernels;
    this.entries = [];
    this.recording = true;
    this.top = this.floor = 4; // the first free address, and where a step begins
    this.leaves = 0;
  }
  get heap() { return this.kernels.heap; }

  make(r, c) {
    const at = this.top;
    this.top += (r * c + 3) & ~3;
    while (this.top > this.heap.length) this.kernels.grow();
    return new Tensor(this, at, r, c);
  }
  // `back(g, wanted)` returns the gradients of `inputs`; those not wanted may be anything.
  record(y, inputs, back) {
    if (this.recording && inputs.some((x) => x.id >= 0)) this.entry(y, inputs, back);
    return y;
  }
  entry(y, inputs, back) {
    y.id = this.entries.length;
    this.entries.push({ inputs, back });
    return y;
  }

  // Numbers that outlive the steps: parameters, and the state of their optimisers. Made between steps.
  keep(r, c, values = null) {
    this.begin();
    const x = this.make(r, c);
    this.heap.fill(0, x.at, this.top);
    if (values) x.values.set(values);
    this.floor = this.top;
    return x;
  }
  parameter(r, c, values) {
    const x = this.entry(this.keep(r, c, values), [], null);
    this.leaves = this.entries.length;
    return x;
  }
  // Forget everything but what is kept, and what was made before `mark()`.
  begin(mark = this.floor) {
    this.top = mark;
    this.entries.length = this.leaves;
  }
  mark() { return this.top; }

  tensor(r, c, values) {
    const x = this.make(r, c);
    x.values.set(values);
    return x;
  }
  constant(r, c, value) {
    const x = this.make(r, c);
    this.heap.fill(value, x.at, x.at + x.n);
    return x;
  }
  fill(r, c, next) {
    const x = this.make(r, c), H = this.heap;
    for (let i = x.at, end = x.at + x.n; i < end; i++) H[i] = next();
    return x;
  }
  // The same numbers as a leaf that gradients reach, or as a constant that they do not.
  variable(x) { return this.entry(new Tensor(this, x.at, x.r, x.c), [], null); }
  detach(x) { return new Tensor(this, x.at, x.r, x.c); }
  frozen(f) {
    const before = this.recording;
    this.recording = false;
    try {
      return f();
    } finally {
      this.recording = before;
    }
  }
}
