// The same results as caligo-run's, by either module: tests/data/blocks.csv has them for 100 seeds.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

import { DEFAULTS, toAsked } from "../js/state.js";
import { block, row } from "../js/wasm.js";
import { load } from "./node.mjs";

const text = await readFile(new URL("../../tests/data/blocks.csv", import.meta.url), "utf8");
const [, header, ...lines] = text.trim().split("\n");
const names = header.split(",");
const vectors = lines.map((line) => Object.fromEntries(line.split(",").map((value, i) => [names[i], value])));

for (const [name, instructions] of [["simd", "simd128"], ["scalar", "portable"]]) {
  const page = await load(name);

  test(`${name}: was compiled for ${instructions}`, () => assert.equal(page.instructions(), instructions));

  // Without vectors a round that fails takes fifty times as long: 100 seeds of one round, and a few of many.
  const chosen = vectors.filter((want) => name === "simd" || want.strategy === "baseline" || Number(want.seed) <= 3);
  test(`${name}: ${chosen.length} recorded blocks`, () => {
    assert.equal(chosen.length, name === "simd" ? 600 : 309);
    for (const want of chosen) {
      const state = { ...DEFAULTS, strategy: want.strategy, decoder: want.decoder, qber: Number(want.qber), seed: Number(want.seed) };
      const found = block(page, toAsked(state));
      assert.deepEqual({
        strategy: want.strategy, decoder: want.decoder, qber: want.qber, seed: want.seed, end: found.end.name,
        rounds: String(found.facts.rounds), iterations: String(found.facts.iterations),
        disclosed: String(found.charged.exact + found.charged.tags), digest: found.digest,
      }, want);
    }
  });

  test(`${name}: the budget trips, and says what it prevented`, () => {
    const found = block(page, toAsked({ ...DEFAULTS, budget: 500 }));
    assert.equal(found.end.name, "tripped");
    assert.ok(found.end.spent <= 500 && found.end.spent + found.end.attempted > 500);
    assert.equal(found.charged.exact + found.charged.tags, found.end.spent);
  });

  test(`${name}: what is out of range is refused by name`, () => {
    assert.throws(() => block(page, toAsked({ ...DEFAULTS, qber: 0.2 })), /^Error: qber$/);
    assert.throws(() => page.block(new Float64Array(8)), /^Error: settings$/);
    assert.throws(() => block(page, toAsked({ ...DEFAULTS, qber: NaN })), /^Error: qber$/);
    assert.throws(() => block(page, toAsked({ ...DEFAULTS, strategy: "baseline", rate: 2 })), /^Error: rate$/);
  });

  test(`${name}: counts do not depend on how often one looks`, () => {
    const numbers = toAsked({ ...DEFAULTS, qber: 0.03 });
    const [one, other] = [page.count(numbers), page.count(numbers)];
    for (let i = 0; i < 5; i += 1) { one.add(8); row(one); other.add(8); }
    assert.deepEqual(row(one), row(other));
    assert.equal(row(one).frames, 40);
    assert.ok(row(one).f > 1 && row(one).f < 2);
  });
}
