import assert from "node:assert/strict";
import test from "node:test";

import { DECODERS, DEFAULTS, POLICIES, STRATEGIES, fromHash, toAsked, toCommand, toHash } from "../js/state.js";

test("what is as usual is not in the address", () => {
  assert.equal(toHash(DEFAULTS), "#");
  assert.deepEqual(fromHash(""), { ...DEFAULTS });
  assert.deepEqual(fromHash("#"), { ...DEFAULTS });
});

test("any state comes back out of its address", () => {
  for (const strategy of STRATEGIES) for (const decoder of DECODERS) for (const policy of POLICIES) {
    const state = { qber: 0.031, strategy, decoder, policy, rate: 0.62, rounds: 7, known: false, budget: 1234, seed: 4294967295 };
    assert.deepEqual(fromHash(toHash(state)), state);
  }
});

test("what an address cannot mean is as usual", () => {
  for (const hash of ["#q=0.13", "#q=-1", "#q=x", "#q=", "#q=Infinity", "#s=__proto__", "#d=none", "#t=0", "#t=65", "#t=1.5",
    "#seed=-1", "#seed=4294967296", "#b=0", "#r=1", "#known=maybe", "#known=constructor", "#p=%00", "#%%%"]) {
    assert.deepEqual(fromHash(hash), { ...DEFAULTS }, hash);
  }
});

test("the command says what differs", () => {
  assert.equal(toCommand(DEFAULTS), "caligo-run block --qber 0.05 --strategy blind --decoder balanced --seed 1");
  const all = { ...DEFAULTS, strategy: "baseline", rate: 0.6, rounds: 2, policy: "conservative", budget: 99, known: false };
  assert.equal(toCommand(all), "caligo-run block --qber 0.05 --strategy baseline --decoder balanced --seed 1 --rate 0.6 " +
    "--rounds 2 --policy conservative --budget 99");
  assert.match(toCommand({ ...DEFAULTS, known: false, rate: 0.6 }), /--seed 1 --unknown$/);
});

test("numbers of the module are places in the lists", () => {
  const numbers = toAsked({ ...DEFAULTS, strategy: "symmetric", decoder: "precise", policy: "syndrome-cap", rate: 0.6 });
  assert.deepEqual(numbers, Float64Array.of(0.05, 2, 0, 0, 1, 2, 1, 1, 0));
});
