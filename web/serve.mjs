// Serves web/dist on this machine: node web/serve.mjs [PORT]. Any static host will do instead.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize, sep } from "node:path";
import { fileURLToPath } from "node:url";

const TYPES = {
  ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml", ".wasm": "application/wasm",
};

export function serve(port, directory = fileURLToPath(new URL("./dist", import.meta.url))) {
  const server = createServer(async (request, response) => {
    try {
      const { pathname } = new URL(request.url, "http://localhost");
      const path = normalize(join(directory, decodeURIComponent(pathname.endsWith("/") ? `${pathname}index.html` : pathname)));
      if (!path.startsWith(directory + sep)) throw new Error("outside");
      const content = await readFile(path);
      response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream", "cache-control": "no-cache" });
      response.end(content);
    } catch {
      response.writeHead(404, { "content-type": "text/plain" }).end("not found\n");
    }
  });
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = await serve(Number(process.argv[2] ?? 8080));
  console.log(`web: http://127.0.0.1:${server.address().port}/`);
}
