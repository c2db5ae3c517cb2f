// The module's numbers by name. Nothing of a page or a worker here: Node uses it too.

export const STAGES = ["bit-sliced first pass", "8-bit decoder", "f32 decoder", "guess"];

// core/src/wire/message.rs
export const KINDS = {
  0x01: "hello", 0x20: "syndrome", 0x21: "response", 0x22: "syndrome", 0x23: "reveal", 0x24: "ack", 0x25: "nack",
  0x26: "request", 0x27: "reveal", 0x28: "abandon", 0x29: "verify", 0x2a: "verdict", 0x2b: "finish", 0x40: "ack-all",
  0x41: "abort",
};

const rows = (flat, names) => {
  const out = [];
  for (let at = 0; at < flat.length; at += names.length) {
    out.push(Object.fromEntries(names.map((name, i) => [name, flat[at + i]])));
  }
  return out;
};

const CHARGES = ["exact", "cap", "conservative", "tags"];

/** All of a block: plain data that can be sent between threads. */
export function block(page, numbers) {
  const found = page.block(numbers);
  try {
    const [facts] = rows(found.facts(), ["n", "m", "payload", "rate", "targetFer", "least", "noise", "iterations",
      "rounds", "differing"]);
    return {
      facts,
      end: end(found.end()),
      messages: rows(found.messages(), ["from", "kind", "bytes", "steps", ...CHARGES]),
      charged: rows(found.charged(), CHARGES)[0],
      steps: rows(found.steps(), ["round", "stage", "iterations", "wrong", "unsatisfied"]),
      wrong: found.wrong(),
      unsatisfied: found.unsatisfied(),
      punctured: found.punctured(),
      shortened: found.shortened(),
      errors: found.errors(),
      digest: BigInt.asUintN(64, found.digest()).toString(16).padStart(16, "0"),
    };
  } finally {
    found.free();
  }
}

/** What is wrong after step `i`: bits of positions, bits of checks. */
export function pictureOf(block, i) {
  const part = (bytes, bits) => bytes.subarray((i * bits) / 8, ((i + 1) * bits) / 8);
  return { wrong: part(block.wrong, block.facts.n), unsatisfied: part(block.unsatisfied, block.facts.m) };
}

function end([code, ...rest]) {
  switch (code) {
    case 0: return { name: "verified" };
    case 1: return { name: "failed", reason: "the decoder did not converge" };
    case 2: return { name: "failed", reason: "the verification tag differs" };
    case 3: return { name: "tripped", prevented: rest[0], attempted: rest[1], spent: rest[2], cap: rest[3] };
    default: return { name: "aborted", code: rest[0] };
  }
}

/** A count's row. */
export function row(montecarlo) {
  return rows(montecarlo.row(), ["frames", "fer", "low", "high", "f", "fWithTag", "limit", "rounds", "iterations"])[0];
}

export const bit = (bytes, i) => (bytes[i >> 3] >> (i & 7)) & 1;

export const ones = (bytes) => {
  let count = 0;
  for (const byte of bytes) for (let rest = byte; rest; rest &= rest - 1) count += 1;
  return count;
};
