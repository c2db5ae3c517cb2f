// What is looked at, as form values, as the page's address and as a command line. No document here: Node tests it.

export const STRATEGIES = ["baseline", "blind", "symmetric"];
export const DECODERS = ["fast", "balanced", "precise"];
export const POLICIES = ["exact", "syndrome-cap", "conservative"];

export const DEFAULTS = Object.freeze({
  qber: 0.05, strategy: "blind", decoder: "balanced", rate: null, rounds: null, known: true, policy: "exact", budget: null,
  seed: 1,
});

const within = (low, high, whole) => (text) => {
  const value = text === null || text === "" ? NaN : Number(text);
  return Number.isFinite(value) && value >= low && value <= high && (!whole || Number.isInteger(value)) ? value : null;
};
const oneOf = (names) => (text) => (names.includes(text) ? text : null);

// Name in the address, and what it may be; null where it is not that.
const FIELDS = {
  qber: ["q", within(0, 0.12)],
  strategy: ["s", oneOf(STRATEGIES)],
  decoder: ["d", oneOf(DECODERS)],
  rate: ["r", within(0.05, 0.95)],
  rounds: ["t", within(1, 64, true)],
  known: ["known", (text) => ({ yes: true, no: false, __proto__: null })[text] ?? null],
  policy: ["p", oneOf(POLICIES)],
  budget: ["b", within(1, 100000, true)],
  seed: ["seed", within(0, 0xffffffff, true)],
};

/** The state in a location's hash; whatever is not understood is as usual. */
export function fromHash(hash) {
  const found = new URLSearchParams(hash.replace(/^#/, ""));
  const state = { ...DEFAULTS };
  for (const [name, [key, read]] of Object.entries(FIELDS)) {
    const value = found.has(key) ? read(found.get(key)) : null;
    if (value !== null) state[name] = value;
  }
  return state;
}

/** The hash of a state: only what is not as usual. */
export function toHash(state) {
  const out = new URLSearchParams();
  for (const [name, [key]] of Object.entries(FIELDS)) {
    const value = state[name];
    if (value === null || value === DEFAULTS[name]) continue;
    out.set(key, value === true ? "yes" : value === false ? "no" : String(value));
  }
  return `#${out}`;
}

/** The command that prints the same block. */
export function toCommand(state) {
  const parts = ["caligo-run", "block", "--qber", state.qber, "--strategy", state.strategy, "--decoder", state.decoder,
    "--seed", state.seed];
  if (state.strategy === "baseline" && state.rate !== null) parts.push("--rate", state.rate);
  if (state.rounds !== null) parts.push("--rounds", state.rounds);
  if (state.strategy !== "baseline" && !state.known) parts.push("--unknown");
  if (state.policy !== DEFAULTS.policy) parts.push("--policy", state.policy);
  if (state.budget !== null) parts.push("--budget", state.budget);
  return parts.join(" ");
}

/** The numbers that the module takes (wasm/src/settings.rs). */
export function toAsked(state) {
  return Float64Array.of(
    state.qber,
    STRATEGIES.indexOf(state.strategy),
    state.strategy === "baseline" ? state.rate ?? 0 : 0,
    state.rounds ?? 0,
    Number(state.known),
    DECODERS.indexOf(state.decoder),
    state.seed,
    POLICIES.indexOf(state.policy),
    state.budget ?? 0,
  );
}
