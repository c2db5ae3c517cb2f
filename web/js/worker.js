// Owns the module: whatever takes time happens here, and the page stays awake.
import { load } from "./module.js";
import { asked, block, row } from "./wasm.js";

/** Blocks of a session: what a cancellation waits for. */
const SESSION = 8;

const loaded = load();
let running = 0;

const pause = () => new Promise((resume) => setTimeout(resume));

async function count(module, id, points) {
  running = id;
  const counts = [];
  try {
    for (const [i, numbers] of points.entries()) {
      const settings = asked(module, numbers);
      try {
        counts.push(new module.MonteCarlo(settings));
      } catch (error) {
        counts.push(null);
        postMessage({ id, refused: i, reason: error.message });
      } finally {
        settings.free();
      }
    }
    let told = performance.now();
    for (let most = SESSION; running === id; most += SESSION) {
      for (const one of counts) {
        if (!one || running !== id) continue;
        one.add(SESSION);
        await pause();
      }
      const now = performance.now();
      if (now - told > 150 || most === SESSION) {
        told = now;
        postMessage({ id, rows: counts.map((one) => one && row(one)) });
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
    const module = await loaded;
    if (what === "block") {
      const found = block(module, numbers);
      postMessage({ id, block: found, instructions: module.instructions() }, [found.wrong.buffer, found.unsatisfied.buffer]);
    } else if (what === "count") {
      await count(module, id, points);
    }
  } catch (error) {
    postMessage({ id, error: error.message });
  }
});
