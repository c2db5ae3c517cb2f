// A built module in Node.
import { readFile } from "node:fs/promises";

const dist = new URL("../dist/wasm/", import.meta.url);

export async function load(name, from = dist) {
  // Its memory is the module's own: a second copy for the second one.
  const glue = await import(new URL(`caligo.js?${name}`, from));
  glue.initSync({ module: await readFile(new URL(`${name}.wasm`, from)) });
  return new glue.Page();
}
