import assert from "node:assert/strict";
import test from "node:test";

import { chart, csv, table } from "../js/montecarlo.js";
import { lines } from "../js/talk.js";
import { bit, ones } from "../js/wasm.js";

const ROWS = [
  { qber: 0.01, frames: 80, fer: 0, low: 0, high: 0.045, f: 1.5, fWithTag: 1.7, limit: 1.39, rounds: 1, iterations: 4.2 },
  { qber: 0.02, frames: 80, fer: 0.025, low: 0.003, high: 0.087, f: 1.3, fWithTag: 1.4, limit: 0, rounds: 1.2, iterations: 9 },
  { qber: 0.03, frames: 0 },
  { qber: 0.11, frames: 0, refused: "no-rate" },
];

test("the file has a row for each count", () => {
  assert.equal(csv(ROWS, "caligo-run block"), "# caligo-run block\n" +
    "qber,frames,fer,fer_low,fer_high,f,f_with_tag,f_one_way_limit,rounds,iterations\n" +
    "0.01,80,0,0,0.045,1.5,1.7,1.39,1,4.2\n0.02,80,0.025,0.003,0.087,1.3,1.4,,1.2,9\n");
});

test("the table says where no rate fits", () => {
  assert.deepEqual(table(ROWS).map((cells) => cells[1]), [80, 80, "", "no rate fits"]);
  assert.equal(table(ROWS)[0][2], "0");
  assert.equal(table(ROWS)[1][3], "0.0030 to 0.0870");
});

test("the chart stands alone, and has no number that is none", () => {
  const svg = chart(ROWS, undefined, true);
  assert.match(svg, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
  assert.ok(!/NaN|undefined|Infinity/.test(svg), svg);
  assert.equal(svg.match(/<circle/g).length, 4);
  assert.ok(!/NaN|undefined/.test(chart([], undefined, true)));
});

test("bits are counted from the least significant one", () => {
  const bytes = new Uint8Array([0b101, 0x80]);
  assert.deepEqual([0, 1, 2, 15].map((i) => bit(bytes, i)), [1, 0, 1, 1]);
  assert.equal(ones(bytes), 3);
});

test("each message costs what the ledger grew by", () => {
  const message = (kind, from, exact, tags, steps = 0) => ({ kind, from, exact, cap: exact, conservative: exact, tags, steps, bytes: 9 });
  const block = { steps: [{ unsatisfied: 4 }, { unsatisfied: 0 }], messages: [message(1, 0, 0, 0), message(0x20, 0, 800, 0),
    message(0x21, 1, 800, 0, 1), message(0x23, 0, 900, 0, 1), message(0x21, 1, 900, 0, 2), message(0x29, 0, 900, 64, 2)] };
  const found = lines(block, "exact");
  assert.deepEqual(found.map((line) => line.cost), [0, 800, 0, 100, 0, 64]);
  assert.deepEqual(found.map((line) => line.title), ["Hello", "Syndrome", "NACK", "Reveal", "ACK", "Verify"]);
  assert.equal(found.at(-1).total, 964);
});
