// Owns the module: whatever takes time happens here, and the page stays awake.
import { load } from "./module.js";
import { block, row } from "./wasm.js";

/** Blocks of a session: what a cancellation waits for. */
const SESSION = 8;

const loaded = load();
let running = 0;

const pause = () => new Promise((resume) => setTimeout(resume));

async function count(page, id, points) {
  running = id;
  const counts = [];
  try {
    for (const [i, numbers] of points.entries()) {
      try {
        counts.push(page.count(numbers));
      } catch (error) {
        counts.push(null);
        postMessage({ id, refused: i, reason: error.message });
      }
    }
    let told = performance.now();
    for (let most = SESSION; running === id; most += SESSION) {
      for (const one of counts) {
        if (!one || running !== id) continue;
        one.add(SESSION);
        await pause();
        const now = performance.now();
        if (now - told > 150) {
          told = now;
          postMessage({ id, rows: counts.map((one) => one && row(one)) });
        }
      }
      if (counts.every((one) => !one)) break;
    }
    postMessage({ id, rows: counts.map((one) => one && row(one)), done: true });
  } finally {
    counts.forEach((one) => one?.free());
  }
}

addEventListener("message", async ({ data: { id, what, numbers, points } }) => {
  if (what === "cancel") {
    running = 0;
    return;
  }
  try {
    const page = await loaded;
    if (what === "block") {
      const found = block(page, numbers);
      postMessage({ id, block: found, instructions: page.instructions() }, [found.wrong.buffer, found.unsatisfied.buffer]);
    } else if (what === "count") {
      await count(page, id, points);
    }
  } catch (error) {
    postMessage({ id, error: error.message });
  }
});
