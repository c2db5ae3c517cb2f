// The page: settings in, pictures out. What is computed is computed by the worker.
import { fromHash, toAsked, toCommand, toHash } from "./state.js";
import { STAGES, ones } from "./wasm.js";
import { course, drawFrame } from "./frame.js";
import { lines, wordsOf } from "./talk.js";
import { drawEfficiency, drawLedger, element } from "./ledger.js";
import { QBERS, chart, csv, table } from "./montecarlo.js";

const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");
const charged = { exact: "exact", "syndrome-cap": "cap", conservative: "conservative" };

const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
let ids = 0;
let asking = 0;
let state = fromHash(location.hash);
let block = null;
let at = -1;
let player = null;
let counting = 0;
let counts = [];
let counted = state;

// ---- settings

function readForm() {
  const value = (id) => ($(id).value.trim() === "" || !$(id).checkValidity() ? null : Number($(id).value));
  const radio = (name) => document.querySelector(`input[name="${name}"]:checked`).value;
  return {
    qber: Number((Number($("qber").value) / 100).toFixed(4)),
    strategy: radio("strategy"), decoder: radio("decoder"), rate: value("rate"), rounds: value("rounds"),
    known: $("known").checked, policy: $("policy").value, budget: value("budget"), seed: value("seed") ?? 1,
  };
}

function fillForm() {
  $("qber").value = (100 * state.qber).toFixed(1);
  for (const name of ["strategy", "decoder"]) document.querySelector(`input[name="${name}"][value="${state[name]}"]`).checked = true;
  for (const id of ["rate", "rounds", "budget", "seed"]) $(id).value = state[id] ?? "";
  $("known").checked = state.known;
  $("policy").value = state.policy;
  showForm();
}

function showForm() {
  $("qber-text").value = `${(100 * state.qber).toFixed(1)} %`;
  $("qber").setAttribute("aria-valuetext", `${(100 * state.qber).toFixed(1)} per cent`);
  const baseline = state.strategy === "baseline";
  $("rate").disabled = !baseline;
  $("known").disabled = baseline;
  if (baseline) $("known").checked = true;
  $("command").textContent = toCommand(state);
}

let waiting = 0;
function changed() {
  state = { ...readForm() };
  if (state.strategy === "baseline") state.known = true;
  showForm();
  history.replaceState(null, "", toHash(state));
  clearTimeout(waiting);
  waiting = setTimeout(ask, 60);
}

function ask() {
  ids += 1;
  asking = ids;
  document.body.classList.add("stale");
  worker.postMessage({ id: asking, what: "block", numbers: toAsked(state) });
}

// ---- answers

const REFUSALS = {
  qber: "The QBER has to be between 0 and 12 %.",
  rate: "The rate has to be between 0.05 and 0.95.",
  "no-rate": "No rate of this code corrects so many errors in one go. Lower the QBER, set a rate, or let Bob answer: blind or symmetric.",
  session: "The session could not be held with these settings.",
};

worker.addEventListener("message", ({ data }) => {
  if (data.id === counting) return countAnswer(data);
  if (data.id !== asking) return;
  document.body.classList.remove("stale");
  document.body.dataset.answered = data.id;
  if (data.error) {
    stop();
    $("problem").textContent = REFUSALS[data.error] ?? `Something went wrong: ${data.error}`;
    $("results").hidden = true;
    return;
  }
  $("problem").textContent = "";
  $("results").hidden = false;
  block = data.block;
  $("engine").textContent = `computed with ${data.instructions === "simd128" ? "simd128" : "scalar"} instructions`;
  stop();
  at = block.steps.length - 1;
  show();
});
worker.addEventListener("error", (event) => {
  $("problem").textContent = `The page's worker could not start: ${event.message ?? "unknown reason"}. It needs a browser with WebAssembly and modules in workers.`;
});

function show() {
  const { facts, end, steps } = block;
  const policy = charged[state.policy];
  const spent = block.charged[policy] + block.charged.tags;
  const f = facts.noise > 0 ? block.charged[policy] / facts.noise : null;
  const verdict = {
    verified: ["fine", "Verified.", `Bob’s ${number.format(facts.payload)} bits are Alice’s, after ${facts.iterations} iterations in ${facts.rounds} ${facts.rounds === 1 ? "round" : "rounds"}.`],
    failed: ["bad", "Left out.", `The block could not be reconciled: ${end.reason}. ${number.format(facts.differing)} bits still differ.`],
    tripped: ["bad", "Budget used up.", end.name === "tripped" ? `The circuit breaker kept “${wordsOf(end.prevented)[0]}” from being sent.` : ""],
    aborted: ["bad", "Aborted.", `The session ended early (code ${end.code}).`],
  }[end.name];
  $("verdict").replaceChildren(element("span", { class: verdict[0] }, verdict[1]), ` ${verdict[2]}`);
  $("verdict").dataset.end = end.name;
  const figures = [
    ["errors corrected", end.name === "verified" ? ones(block.errors) : "–"], ["bits disclosed", number.format(spent)],
    ["efficiency f", f === null ? "–" : f.toFixed(3)], ["rate at first", facts.rate.toFixed(3)],
    ["punctured", number.format(ones(block.punctured))], ["shortened", number.format(ones(block.shortened))],
    ["rounds", facts.rounds], ["iterations", facts.iterations],
  ];
  $("figures").replaceChildren(...figures.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, String(value)))));
  $("step").max = Math.max(0, steps.length - 1);
  $("digest").textContent = block.digest;
  showStep();
  showTalk();
  drawLedger($("ledger"), block, policy, state.budget);
  drawEfficiency($("efficiency"), block, policy);
}

function showTalk() {
  const items = lines(block, charged[state.policy]).map((line) => {
    const cost = line.cost > 0 ? `discloses ${number.format(line.cost)} bits, ${number.format(line.total)} in all` : "discloses nothing of the key";
    const button = element("button", { type: "button" },
      element("b", {}, `${line.who === "alice" ? "Alice" : "Bob"}: ${line.title}`), ` ${line.text}`,
      element("small", {}, `${number.format(line.bytes)} bytes; ${cost}`));
    button.addEventListener("click", () => go(line.steps - 1));
    return element("li", { class: line.who }, button);
  });
  if (block.end.name === "tripped") {
    const [title, meaning] = wordsOf(block.end.prevented);
    items.push(element("li", { class: "prevented" }, element("div", {}, element("b", {}, `Never sent: ${title}`), ` ${meaning}`,
      element("small", {}, `would have disclosed ${number.format(block.end.attempted)} bits more`))));
  }
  $("talk").replaceChildren(...items);
  // What was prevented stands last.
  $("talk").scrollTop = block.end.name === "tripped" ? $("talk").scrollHeight : 0;
}

// ---- the player

function showStep() {
  const step = block.steps[at];
  drawFrame($("bits"), $("checks"), block, at);
  const text = step
    ? `round ${step.round}, iteration ${step.iterations}, ${STAGES[step.stage]}: ${number.format(step.wrong)} wrong bits, ${number.format(step.unsatisfied)} unsatisfied checks`
    : `before decoding: ${number.format(ones(block.errors))} bits flipped by the channel`;
  $("step-text").textContent = text;
  $("step").value = Math.max(at, 0);
  $("step").disabled = block.steps.length < 2;
  $("step").setAttribute("aria-valuetext", text);
  $("bits").setAttribute("aria-label", `The frame’s bits; ${text}`);
  $("checks").setAttribute("aria-label", `The frame’s checks; ${text}`);
  $("course").innerHTML = course(block.steps, at, wide("course"));
}

function go(to) {
  if (!block) return;
  at = Math.min(Math.max(to, -1), block.steps.length - 1);
  showStep();
}

function stop() {
  clearInterval(player);
  player = null;
  $("play").textContent = "Play";
  $("play").setAttribute("aria-pressed", "false");
}

function play() {
  if (player) return stop();
  if (!block) return;
  if (at >= block.steps.length - 1) go(-1);
  $("play").textContent = "Pause";
  $("play").setAttribute("aria-pressed", "true");
  // A long course is shown in leaps: eight seconds are enough.
  const pace = Math.min(400, Math.max(60, 6000 / Math.max(1, block.steps.length)));
  const leap = Math.ceil((block.steps.length * pace) / 8000);
  player = setInterval(() => {
    go(at + leap);
    if (at >= block.steps.length - 1) stop();
  }, pace);
}

// ---- many blocks

function start() {
  counted = state;
  ids += 1;
  counting = ids;
  counts = QBERS.map((qber) => ({ qber, frames: 0 }));
  const points = QBERS.map((qber) => toAsked({ ...counted, qber, budget: null }));
  worker.postMessage({ id: counting, what: "count", points });
  $("start").disabled = true;
  $("cancel").disabled = false;
  $("progress").textContent = "running";
  showCounts();
}

function countAnswer(data) {
  if (data.refused !== undefined) counts[data.refused].refused = data.reason;
  if (data.rows) {
    counts = counts.map((row, i) => ({ ...row, ...(data.rows[i] ?? {}) }));
    showCounts();
  }
  if (data.done || data.error) {
    counting = 0;
    $("start").disabled = false;
    $("cancel").disabled = true;
    if (data.error) $("problem").textContent = REFUSALS[data.error] ?? data.error;
  }
  const frames = counts.reduce((sum, row) => sum + row.frames, 0);
  $("progress").textContent = `${number.format(frames)} blocks${counting ? ", running" : ", stopped"}`;
}

// As wide as its place, so that letters have their size on a phone too.
const wide = (id) => Math.max(320, Math.min(640, $(id).clientWidth));

function palette() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return { ink: of("ink"), soft: of("soft"), line: of("line"), bar: of("bar"), two: of("bar-two"), ground: of("card") };
}

function showCounts() {
  const some = counts.some((row) => row.frames > 0);
  $("chart").innerHTML = some ? chart(counts, palette(), false, wide("chart")) : "";
  const head = ["QBER", "blocks", "FER", "95 % interval", "f", "iterations"];
  $("rows").replaceChildren(
    element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, ...table(counts).map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, String(cell)))))));
  $("csv").disabled = !some;
  $("svg").disabled = !some;
}

function save(name, type, text) {
  const link = element("a", { download: name, href: URL.createObjectURL(new Blob([text], { type })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// ---- wiring

async function copy() {
  const text = $("command").textContent;
  try {
    await navigator.clipboard.writeText(text);
    $("copy").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren($("command"));
    $("copy").textContent = "Selected";
  }
  setTimeout(() => { $("copy").textContent = "Copy as command"; }, 1500);
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  if (block) show();
  if (counts.length) showCounts();
}

const kept = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
const dark = matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", () => { if (!kept()) theme(dark.matches ? "dark" : "light"); });
theme(kept() ?? (dark.matches ? "dark" : "light"));
$("theme").addEventListener("click", () => {
  const other = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  try { localStorage.setItem("theme", other); } catch { /* it is forgotten, then */ }
  theme(other);
});

$("settings").addEventListener("input", changed);
$("settings").addEventListener("submit", (event) => event.preventDefault());
$("again").addEventListener("click", () => {
  $("seed").value = crypto.getRandomValues(new Uint32Array(1))[0];
  changed();
});
addEventListener("hashchange", () => {
  state = fromHash(location.hash);
  fillForm();
  ask();
});
$("first").addEventListener("click", () => go(-1));
$("back").addEventListener("click", () => go(at - 1));
$("forth").addEventListener("click", () => go(at + 1));
$("last").addEventListener("click", () => go(Infinity));
$("play").addEventListener("click", play);
$("step").addEventListener("input", () => { stop(); go(Number($("step").value)); });
$("start").addEventListener("click", start);
$("cancel").addEventListener("click", () => worker.postMessage({ what: "cancel" }));
$("csv").addEventListener("click", () => save("caligo.csv", "text/csv", csv(counts, toCommand(counted))));
$("svg").addEventListener("click", () => save("caligo.svg", "image/svg+xml", chart(counts, undefined, true)));
$("copy").addEventListener("click", copy);

fillForm();
ask();
// What has been seen once is there without a network; a folder opened without a server has no workers of either kind.
if ("serviceWorker" in navigator && isSecureContext) navigator.serviceWorker.register("sw.js").catch(() => {});
