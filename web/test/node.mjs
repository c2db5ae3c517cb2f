// A built module in Node.
import { readFile } from "node:fs/promises";

export async function load(name) {
  // Its memory is the module's own: a second copy for the second one.
  const glue = await import(new URL(`../dist/wasm/caligo.js?${name}`, import.meta.url));
  glue.initSync({ module: await readFile(new URL(`../dist/wasm/${name}.wasm`, import.meta.url)) });
  return glue;
}
