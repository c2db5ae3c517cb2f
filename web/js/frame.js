// The frame as a picture: 64 rows of 64 bits, one row for each block of the code; checks likewise.
import { bit, pictureOf } from "./wasm.js";

const parse = (colour) => {
  const [r, g, b] = colour.trim().match(/[0-9a-f]{2}/gi).map((pair) => parseInt(pair, 16));
  return (255 << 24) | (b << 16) | (g << 8) | r;
};

const colours = (names) => {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(names.map((name) => [name, parse(style.getPropertyValue(`--${name}`))]));
};

function paint(canvas, count, colourOf) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < count; i += 1) pixels[i] = colourOf(i);
  context.putImageData(image, 0, 0);
}

/** Before any iteration (`at` is -1) what is wrong is what the channel flipped. */
export function drawFrame(bits, checks, block, at) {
  const { wrong, unsatisfied } = at < 0 ? { wrong: block.errors, unsatisfied: null } : pictureOf(block, at);
  const c = colours(["payload", "punctured", "shortened", "error", "wrong"]);
  paint(bits, block.facts.n, (i) => {
    if (bit(wrong, i)) return c.wrong;
    if (bit(block.errors, i)) return c.error;
    if (bit(block.punctured, i)) return c.punctured;
    return bit(block.shortened, i) ? c.shortened : c.payload;
  });
  paint(checks, block.facts.m, (i) => (unsatisfied && bit(unsatisfied, i) ? c.wrong : c.payload));
}

/** Wrong bits and unsatisfied checks by iteration, as SVG; `at` is marked. */
export function course(steps, at, width) {
  if (!steps.length) return "";
  const [height, left, top, bottom] = [136, 36, 22, 18];
  const most = Math.max(1, ...steps.map((step) => Math.max(step.wrong, step.unsatisfied)));
  const x = (i) => left + ((width - left - 8) * i) / Math.max(1, steps.length - 1);
  const y = (value) => top + (height - bottom - top) * (1 - value / most);
  const line = (name) => steps.map((step, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(step[name]).toFixed(1)}`).join("");
  const style = getComputedStyle(document.documentElement);
  const [bad, bar, soft] = ["--wrong", "--bar", "--soft"].map((name) => style.getPropertyValue(name).trim());
  const rounds = steps.flatMap((step, i) => (i && step.round !== steps[i - 1].round ? [x(i - 0.5)] : []));
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="Wrong bits and unsatisfied checks by iteration, from ${
    steps[0].wrong} and ${steps[0].unsatisfied} to ${steps.at(-1).wrong} and ${steps.at(-1).unsatisfied}">
<text x="${left - 5}" y="${top + 9}" text-anchor="end">${most}</text><text x="${left - 5}" y="${height - bottom}" text-anchor="end">0</text>
<path d="M${left} ${height - bottom}H${width - 8}" stroke="${soft}" fill="none"/>
${rounds.map((at) => `<path d="M${at.toFixed(1)} ${top}V${height - bottom}" stroke="${soft}" stroke-dasharray="2 4" fill="none"/>`).join("")}
<path d="${line("unsatisfied")}" stroke="${bar}" stroke-width="2" fill="none"/>
<path d="${line("wrong")}" stroke="${bad}" stroke-width="2" fill="none"/>
${at >= 0 ? `<path d="M${x(at).toFixed(1)} ${top}V${height - bottom}" stroke="${soft}" stroke-width="1.5" fill="none"/>` : ""}
<text x="${width - 8}" y="13" text-anchor="end">red: wrong bits, blue: unsatisfied checks, dashed: next round</text>
<text x="${left}" y="${height - 4}">iteration ${steps[0].iterations}</text><text x="${width - 8}" y="${height - 4}" text-anchor="end">${
  steps.at(-1).iterations}</text></svg>`;
}
