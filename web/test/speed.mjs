// Balanced decoding at rate 1/2 and a QBER of 5 %, in one run and in processor time:
// node test/speed.mjs PROGRAM, which is benches' `speed`.
import { execFileSync } from "node:child_process";

import { load } from "./node.mjs";

const [QBER, SEED, FRAMES, BITS] = [0.05, 1, 256, 4096];
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

const measured = [];
for (const name of ["simd", "scalar"]) {
  const module = await load(name);
  const frames = new module.Speed(QBER, 1, SEED, FRAMES);
  for (const together of [1, 64]) {
    const speeds = [];
    for (let run = 0; run < 24; run += 1) {
      const start = process.cpuUsage();
      if (frames.decode(together) !== FRAMES) throw new Error("a frame was not decoded");
      // The first runs are compiled by the engine's baseline.
      if (run >= 5) speeds.push((FRAMES * BITS) / process.cpuUsage(start).user);
    }
    measured.push({ path: module.instructions(), together, speed: median(speeds) });
  }
}
const native = execFileSync(process.argv[2], { encoding: "utf8" });
for (const line of native.trim().split("\n")) {
  const [path, together, speed] = line.split(" ");
  measured.push({ path: `native ${path}`, together: Number(together), speed: Number(speed) });
}
for (const together of [1, 64]) {
  const base = measured.find((one) => one.path === "native avx2" && one.together === together)?.speed;
  for (const one of measured.filter((one) => one.together === together)) {
    const ratio = base ? `, ${(one.speed / base).toFixed(2)} of native AVX2` : "";
    console.log(`${one.path}, ${together} at a call: ${one.speed.toFixed(0)} Mbit/s${ratio}`);
  }
}
