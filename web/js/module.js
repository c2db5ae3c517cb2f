// Loads the module that suits the browser.
import init, * as module from "../wasm/caligo.js";

// (module (func (result v128) i32.const 0 i8x16.splat))
const VECTORS = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253,
  15, 11]);

export async function load() {
  const name = WebAssembly.validate(VECTORS) ? "simd" : "scalar";
  await init({ module_or_path: new URL(`../wasm/${name}.wasm`, import.meta.url) });
  return new module.Page();
}
