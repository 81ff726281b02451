// The Dirac-GAN: data at 0, a sample at theta, a critic psi x; what its two players do, and the linear map near the equilibrium.
const sigmoid = (v) => 1 / (1 + Math.exp(-v));

// One round from [theta, psi]. The critic ascends log s(-psi theta) - gamma psi^2; the generator descends the first term,
// or ascends log s(psi theta) where the classes are flipped. In turn, it sees the critic that has just moved.
export function round([theta, psi], { eta, gamma, inTurn, flip }) {
  const next = psi + eta[1] * (-theta * sigmoid(psi * theta) - 2 * gamma * psi), seen = inTurn ? next : psi;
  return [theta + eta[0] * seen * sigmoid(flip ? -seen * theta : seen * theta), next];
}

const FAR = 1e6;
export function path(start, rules, rounds) {
  const states = [start];
  while (states.length <= rounds && Math.hypot(...states.at(-1)) < FAR) states.push(round(states.at(-1), rules));
  return states;
}

// Around [0, 0] both sigmoids are a half, and a round is a matrix: its eigenvalues, [real, imaginary] each, the larger first.
export function eigenvalues({ eta, gamma, inTurn }) {
  const ab = (eta[0] * eta[1]) / 4, damped = 1 - 2 * gamma * eta[1];
  const trace = 1 + damped - (inTurn ? ab : 0), determinant = inTurn ? damped : damped + ab, under = (trace / 2) ** 2 - determinant, root = Math.sqrt(Math.abs(under));
  if (under < 0) return [[trace / 2, root], [trace / 2, -root]];
  return [trace / 2 + root, trace / 2 - root].sort((x, y) => Math.abs(y) - Math.abs(x)).map((v) => [v, 0]);
}
