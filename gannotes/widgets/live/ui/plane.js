// Layers of a picture in the plane, one function each: (plot, layer, ink) draws on a panel.

// A critic's outputs: the data's colour where it believes in data, the model's where it does not.
const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
let cells = null;
export function drawField(context, { left, right, top, bottom }, v, ink) {
  const side = Math.round(Math.sqrt(v.length)), image = new ImageData(side, side), p = rgb(ink("--gn-p")), q = rgb(ink("--gn-q"));
  for (let i = 0; i < v.length; i++) {
    const at = 4 * ((side - 1 - Math.floor(i / side)) * side + (i % side)), t = Math.tanh(v[i] / 2);
    image.data.set(t > 0 ? p : q, at);
    image.data[at + 3] = 105 * Math.abs(t);
  }
  cells ??= document.createElement("canvas");
  cells.width = cells.height = side;
  cells.getContext("2d").putImageData(image, 0, 0);
  context.drawImage(cells, left, top, right - left, bottom - top);
}

// Where a field on a grid is 0: [x, y, x', y'] in cells, the pieces of marching squares.
export function contour(v, side) {
  const pieces = [];
  for (let j = 0; j + 1 < side; j++)
    for (let i = 0; i + 1 < side; i++) {
      const at = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]], values = at.map(([a, b]) => v[b * side + a]), crossings = [];
      for (let k = 0; k < 4; k++) {
        const [a, b] = [values[k], values[(k + 1) % 4]], [from, to] = [at[k], at[(k + 1) % 4]];
        if (a > 0 === b > 0) continue;
        const t = a / (a - b);
        crossings.push(from[0] + t * (to[0] - from[0]), from[1] + t * (to[1] - from[1]));
      }
      for (let k = 0; k + 3 < crossings.length; k += 4) pieces.push(crossings.slice(k, k + 4));
    }
  return pieces;
}
export function drawContour(context, { left, right, top, bottom }, v, ink) {
  const side = Math.round(Math.sqrt(v.length)), X = (i) => left + ((i + 0.5) / side) * (right - left), Y = (j) => bottom - ((j + 0.5) / side) * (bottom - top);
  context.beginPath();
  for (const [a, b, c, d] of contour(v, side)) {
    context.moveTo(X(a), Y(b));
    context.lineTo(X(c), Y(d));
  }
  context.strokeStyle = ink("--gn-text");
  context.lineWidth = 1;
  context.setLineDash([4, 3]);
  context.stroke();
  context.setLineDash([]);
}

// Data are crosses.
export function drawCrosses(context, { X, Y, cut }, x, colour, size = 2.5) {
  cut(() => {
    context.strokeStyle = colour;
    context.lineWidth = 1.1;
    context.globalAlpha = 0.75;
    context.beginPath();
    for (let i = 0; i < x.length; i += 2) {
      const a = X(x[i]), b = Y(x[i + 1]);
      context.moveTo(a - size, b);
      context.lineTo(a + size, b);
      context.moveTo(a, b - size);
      context.lineTo(a, b + size);
    }
    context.stroke();
  });
}

// Where samples are pushed: the longest arrows are a tenth of the picture, and there is none where nothing pushes.
export function drawArrows(context, { X, Y, cut }, { from, to }, window, colour) {
  const longest = 0.1 * (window[0][1] - window[0][0]);
  cut(() => {
    context.strokeStyle = colour;
    context.lineWidth = 1.25;
    context.beginPath();
    for (let i = 0; i < from.length; i += 2) {
      const size = Math.hypot(to[i], to[i + 1]), k = longest / (1 + size);
      const [a, b] = [X(from[i]), Y(from[i + 1])], [c, d] = [X(from[i] + k * to[i]), Y(from[i + 1] + k * to[i + 1])];
      const length = Math.hypot(c - a, d - b);
      if (!(length > 1.5)) continue;
      const [u, w] = [(c - a) / length, (d - b) / length], head = Math.min(5, length / 2);
      context.moveTo(a, b);
      context.lineTo(c, d);
      context.moveTo(c - head * (u + 0.6 * w), d - head * (w - 0.6 * u));
      context.lineTo(c, d);
      context.lineTo(c - head * (u - 0.6 * w), d - head * (w + 0.6 * u));
    }
    context.stroke();
  });
}

// A grid of noise where the generator has taken it.
export function drawWarp(context, { X, Y, cut }, { x, side }, colour) {
  const point = (i, j) => context.lineTo(X(x[2 * (j * side + i)]), Y(x[2 * (j * side + i) + 1]));
  cut(() => {
    context.strokeStyle = colour;
    context.lineWidth = 0.75;
    context.globalAlpha = 0.7;
    for (let k = 0; k < side; k++)
      for (const along of [(i) => point(i, k), (i) => point(k, i)]) {
        context.beginPath();
        for (let i = 0; i < side; i++) along(i);
        context.stroke();
      }
  });
}

// From each point of one list to that of another.
export function drawThreads(context, { X, Y, cut }, from, to, colour, every = 1) {
  cut(() => {
    context.strokeStyle = colour;
    context.lineWidth = 1;
    context.globalAlpha = 0.6;
    context.beginPath();
    for (let i = 0; i < from.length; i += 2 * every) {
      context.moveTo(X(from[i]), Y(from[i + 1]));
      context.lineTo(X(to[i]), Y(to[i + 1]));
    }
    context.stroke();
  });
}

// Gaussians by their ellipses of one standard deviation.
export function drawEllipses(context, { X, Y, cut }, mean, sd, colourOf, every = 1) {
  cut(() => {
    context.lineWidth = 1.25;
    context.globalAlpha = 0.8;
    for (let i = 0; i < mean.length; i += 2 * every) {
      context.beginPath();
      context.strokeStyle = colourOf(i / 2);
      context.ellipse(X(mean[i]), Y(mean[i + 1]), Math.abs(X(sd[i]) - X(0)), Math.abs(Y(sd[i + 1]) - Y(0)), 0, 0, 7);
      context.stroke();
    }
  });
}
