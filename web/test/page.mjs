// The page in Chromium, from load to export. CHROMIUM is its path; WEB_SHOTS a directory for pictures of the page, WEB_ONLY a
// part of the names of the tests to run.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

import { serve } from "../serve.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const shots = process.env.WEB_SHOTS ?? "shots";
await mkdir(shots, { recursive: true });
const server = await serve(0);
const base = `http://127.0.0.1:${server.address().port}/`;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
const trouble = [];
let offline = false;

async function open(size, scheme, hash = "", settings = {}) {
  const context = await browser.newContext({ viewport: size, colorScheme: scheme, acceptDownloads: true, ...settings });
  const page = await context.newPage();
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) trouble.push(`console: ${message.text()}`); });
  page.on("pageerror", (error) => trouble.push(`page: ${error.message}`));
  context.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(base) && !/^(data|blob):/.test(url)) trouble.push(`request: ${url}`);
  });
  context.on("requestfailed", (request) => { if (!offline) trouble.push(`failed: ${request.url()}`); });
  await page.goto(base + hash);
  await settled(page);
  return page;
}

// The worker has answered the last question.
const settled = (page) => page.waitForFunction(() => document.body.dataset.answered && !document.body.classList.contains("stale"));
const end = (page) => page.locator("#verdict").getAttribute("data-end");

async function set(page, id, value) {
  await page.locator(`#${id}`).evaluate((field, text) => {
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }, String(value));
  await page.waitForTimeout(120);
  await settled(page);
}

async function choose(page, name, value) {
  await page.locator(`input[name="${name}"][value="${value}"]`).check();
  await page.waitForTimeout(120);
  await settled(page);
}

async function accessible(page, what) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run());
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(", ")}`), [], what);
}

// axe itself is no part of the page: its policy would refuse it.
const lenient = { bypassCSP: true };

const tests = {
  async "loads, and reconciles a block"(page) {
    assert.equal(await end(page), "verified");
    assert.match(await page.locator("#engine").textContent(), /simd128/);
    assert.ok(await page.locator("#talk li").count() >= 6);
  },
  async "changes the QBER"(page) {
    const before = await page.locator("#digest").textContent();
    await set(page, "qber", 3);
    assert.equal(await page.locator("#qber-text").textContent(), "3.0 %");
    assert.match(page.url(), /#q=0.03$/);
    assert.notEqual(await page.locator("#digest").textContent(), before);
  },
  async "runs each strategy with each decoder"(page) {
    for (const strategy of ["baseline", "blind", "symmetric"]) {
      await choose(page, "strategy", strategy);
      for (const decoder of ["fast", "balanced", "precise"]) {
        await choose(page, "decoder", decoder);
        assert.equal(await end(page), "verified", `${strategy} ${decoder}`);
        assert.match(await page.locator("#command").textContent(), new RegExp(`--strategy ${strategy} --decoder ${decoder}`));
      }
    }
    await choose(page, "decoder", "balanced");
    await choose(page, "strategy", "blind");
  },
  async "plays iterations, and scrubs"(page) {
    const picture = () => page.locator("#bits").evaluate((canvas) => canvas.toDataURL());
    const last = await picture();
    await page.locator("#first").click();
    assert.match(await page.locator("#step-text").textContent(), /^before decoding/);
    assert.notEqual(await picture(), last);
    await page.locator("#forth").click();
    assert.match(await page.locator("#step-text").textContent(), /^round 1, iteration 1,/);
    const most = await page.locator("#step").getAttribute("max");
    await page.locator("#step").focus();
    await page.keyboard.press("End");
    assert.equal(await page.locator("#step").inputValue(), most);
    assert.equal(await picture(), last);
    assert.match(await page.locator("#step-text").textContent(), /: 0 wrong bits, 0 unsatisfied checks$/);
    await page.locator("#play").press("Space");
    await page.waitForFunction(() => /iteration/.test(document.querySelector("#step-text").textContent)
      && document.querySelector("#play").getAttribute("aria-pressed") === "false", null, { timeout: 20000 });
    await page.locator("#talk button").nth(2).click();
  },
  async "trips the circuit breaker"(page) {
    await set(page, "budget", 600);
    assert.equal(await end(page), "tripped");
    assert.match(await page.locator("#ledger").textContent(), /circuit breaker tripped.*Prevented:.*never sent/s);
    assert.equal(await page.locator("#talk .prevented").count(), 1);
    await page.locator("#ledger").scrollIntoViewIfNeeded();
    await page.screenshot({ path: join(shots, "tripped.png"), fullPage: true });
    await set(page, "budget", "");
    assert.equal(await end(page), "verified");
  },
  async "bears the ends of its ranges"(page) {
    await choose(page, "strategy", "baseline");
    for (const qber of [0, 12]) {
      await set(page, "qber", qber);
      assert.match(await end(page), /verified|failed/);
      assert.equal(await page.locator("#problem").textContent(), "");
    }
    await set(page, "rate", 7);
    assert.ok(!(await page.locator("#command").textContent()).includes("--rate"));
    await set(page, "rate", "");
    await set(page, "qber", 3);
    await choose(page, "strategy", "blind");
  },
  async "counts many blocks while the page stays awake, cancels and exports"(page) {
    await page.evaluate(() => {
      window.frames_ = { longest: 0, last: performance.now(), on: true };
      const tick = (now) => {
        frames_.longest = Math.max(frames_.longest, now - frames_.last);
        frames_.last = now;
        if (frames_.on) requestAnimationFrame(tick);
      };
      requestAnimationFrame((now) => { frames_.last = now; requestAnimationFrame(tick); });
      window.tasks_ = 0;
      new PerformanceObserver((list) => { for (const task of list.getEntries()) tasks_ = Math.max(tasks_, task.duration); })
        .observe({ entryTypes: ["longtask"] });
    });
    await page.locator("#start").click();
    await page.waitForFunction(() => document.querySelectorAll("#chart circle").length >= 22);
    // In between, the page answers as ever.
    for (const qber of [2, 4, 6]) await set(page, "qber", qber);
    await page.waitForTimeout(1500);
    const { longest, tasks } = await page.evaluate(() => { frames_.on = false; return { longest: frames_.longest, tasks: tasks_ }; });
    console.log(`  longest frame ${longest.toFixed(0)} ms (must: 50 ms), longest task ${tasks ? `${tasks.toFixed(0)} ms` : "below 50 ms"} (must: 50 ms), while counting`);
    await page.locator("#cancel").click();
    await page.waitForFunction(() => /stopped/.test(document.querySelector("#progress").textContent));
    const counted = await page.locator("#rows").textContent();
    await page.waitForTimeout(400);
    assert.equal(await page.locator("#rows").textContent(), counted);
    const [table] = await Promise.all([page.waitForEvent("download"), page.locator("#csv").click()]);
    const lines = (await readFile(await table.path(), "utf8")).trim().split("\n");
    assert.match(lines[0], /^# caligo-run block/);
    assert.equal(lines.length, 2 + 11);
    const [picture] = await Promise.all([page.waitForEvent("download"), page.locator("#svg").click()]);
    assert.match(await readFile(await picture.path(), "utf8"), /^<svg xmlns/);
  },
  async "is the same again from a shared address"(page) {
    await choose(page, "strategy", "symmetric");
    await set(page, "qber", 6.5);
    await set(page, "seed", 77);
    await set(page, "rounds", 20);
    const [digest, verdict, url] = [await page.locator("#digest").textContent(), await page.locator("#verdict").textContent(), page.url()];
    const other = await page.context().newPage();
    await other.goto(url);
    await settled(other);
    assert.equal(await other.locator("#digest").textContent(), digest);
    assert.equal(await other.locator("#verdict").textContent(), verdict);
    assert.equal(await other.locator("#rounds").inputValue(), "20");
    await other.close();
  },
  async "copies the command"(page) {
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.locator("#copy").click();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await page.locator("#command").textContent());
  },
};

let failed = 0;
async function run(name, body) {
  if (!name.includes(process.env.WEB_ONLY ?? "")) return;
  const start = performance.now();
  try {
    await body();
    assert.deepEqual(trouble, []);
    console.log(`ok ${name} (${(performance.now() - start).toFixed(0)} ms)`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}\n${error.stack}`);
  }
  trouble.length = 0;
}

const desktop = { width: 1280, height: 900 };
const phone = { width: 390, height: 844 };
try {
  const page = await open(desktop, "light");
  for (const [name, body] of Object.entries(tests)) await run(name, () => body(page));
  await page.close();

  for (const [name, size, scheme] of [["desktop-light", desktop, "light"], ["desktop-dark", desktop, "dark"], ["phone", phone, "light"], ["phone-dark", phone, "dark"]]) {
    await run(`looks right and is accessible: ${name}`, async () => {
      const page = await open(size, scheme, "#q=0.06&seed=5", lenient);
      await page.locator("#step").fill("3");
      await page.locator("#start").click();
      await page.waitForFunction(() => document.querySelectorAll("#chart circle").length >= 22);
      await page.waitForTimeout(1200);
      await page.locator("#cancel").click();
      await page.waitForFunction(() => /stopped/.test(document.querySelector("#progress").textContent));
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `the page is ${wide} pixels too wide`);
      await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
      await accessible(page, name);
      await page.context().close();
    });
  }

  await run("every control is reached by the keyboard", async () => {
    const page = await open(desktop, "light");
    const reached = new Set();
    for (let i = 0; i < 80; i += 1) {
      await page.keyboard.press("Tab");
      reached.add(await page.evaluate(() => document.activeElement?.id || document.activeElement?.name || ""));
    }
    for (const id of ["theme", "qber", "strategy", "decoder", "rounds", "policy", "budget", "seed", "again", "known", "first", "play", "step", "start", "copy"]) {
      assert.ok(reached.has(id), `${id} was not reached`);
    }
    await page.context().close();
  });

  await run("works offline", async () => {
    const page = await open(desktop, "light");
    await page.evaluate(async () => { await navigator.serviceWorker.ready; });
    await page.waitForFunction(() => navigator.serviceWorker.controller);
    offline = true;
    await page.context().setOffline(true);
    await page.reload();
    await settled(page);
    assert.equal(await end(page), "verified");
    await page.context().close();
    offline = false;
  });
} finally {
  await browser.close();
  server.close();
}
console.log(failed ? `${failed} failed` : "all passed");
process.exitCode = failed ? 1 : 0;
