// Balanced decoding at rate 1/2 and a QBER of 5 %, in one run and in processor time:
// node test/speed.mjs PROGRAM DIRECTORY: sim's example `speed`, and where modules with the feature `speed` are.
import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { load } from "./node.mjs";

const [QBER, SEED, FRAMES, BITS] = [0.05, 1, 256, 4096];
// Of one measurement, in microseconds of processor time.
const LEAST = 250000;
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

const measured = [];
for (const name of ["simd", "scalar"]) {
  const page = await load(name, pathToFileURL(`${resolve(process.argv[3])}/`));
  const frames = page.speed(QBER, SEED, FRAMES);
  for (const together of [1, 64]) {
    const speeds = [];
    // The first runs are compiled by the engine's baseline.
    for (let run = 0; run < 11; run += 1) {
      const start = process.cpuUsage();
      let [decoded, time] = [0, 0];
      while (time < LEAST) {
        if (frames.decode(together) !== FRAMES) throw new Error("a frame was not decoded");
        decoded += FRAMES;
        time = process.cpuUsage(start).user;
      }
      if (run >= 2) speeds.push((decoded * BITS) / time);
    }
    measured.push({ path: page.instructions(), together, speed: median(speeds) });
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
