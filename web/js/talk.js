// The conversation in words. No document here: Node tests it.
import { KINDS } from "./wasm.js";

const WORDS = {
  hello: ["Hello", "the terms of the session"],
  syndrome: ["Syndrome", "parities of the frame, masked by private padding"],
  reveal: ["Reveal", "values of some more positions"],
  ack: ["ACK", "the decoder converged"],
  nack: ["NACK", "not decoded: reveal more"],
  request: ["Request", "not decoded: these positions, please"],
  abandon: ["Abandon", "no more is revealed: the block is left out"],
  verify: ["Verify", "a fresh hash key and the tag of the key"],
  verdict: ["Verdict", "whether the tag matched"],
  finish: ["Finish", "the end, with totals"],
  "ack-all": ["Received", "all of it"],
  abort: ["Abort", "the session ends here"],
};

export const wordsOf = (kind) => WORDS[KINDS[kind]] ?? ["Message", `kind ${kind}`];

/** Charged under `policy` ("exact", "cap", "conservative"), tags included. */
export const charge = (row, policy) => row[policy] + row.tags;

/** Lines of the conversation: who, what, what it cost, what all has cost. A response says whether Bob decoded. */
export function lines(block, policy) {
  let before = 0;
  return block.messages.map((message) => {
    const total = charge(message, policy);
    const cost = total - before;
    before = total;
    let [title, text] = wordsOf(message.kind);
    if (KINDS[message.kind] === "response") {
      const good = block.steps[message.steps - 1]?.unsatisfied === 0;
      [title, text] = good ? ["ACK", WORDS.ack[1]] : ["NACK", "not decoded"];
    }
    return { who: message.from === 0 ? "alice" : "bob", title, text, cost, total, bytes: message.bytes, steps: message.steps };
  });
}
