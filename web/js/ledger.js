// The ledger as a gauge; efficiencies as bars.
import { charge, wordsOf } from "./talk.js";

const number = new Intl.NumberFormat("en");
const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

function bar(share, from = 0, over = false) {
  const part = element("i", over ? { class: "over" } : {});
  part.style.left = `${100 * from}%`;
  part.style.width = `${100 * Math.max(0, Math.min(share, 1 - from))}%`;
  return part;
}

function mark(at) {
  const line = element("b");
  line.style.left = `calc(${100 * Math.min(at, 1)}% - 2px)`;
  return line;
}

export function drawLedger(place, block, policy, budget) {
  const spent = charge(block.charged, policy);
  const tripped = block.end.name === "tripped" ? block.end : null;
  const attempted = tripped ? tripped.attempted : 0;
  // Without a budget, of the key: a full gauge would say that something is used up.
  const full = Math.max(budget ?? block.facts.payload, spent + attempted, 1) * (budget ? 1.06 : 1);
  const gauge = element("div", {
    class: "gauge", role: "img",
    "aria-label": budget ? `${spent} of ${budget} bits spent` : `${spent} bits spent on ${block.facts.payload} key bits, no budget`,
  }, bar(spent / full));
  if (tripped) gauge.append(bar(attempted / full, spent / full, true));
  if (budget) gauge.append(mark(budget / full));
  const text = budget
    ? `${number.format(spent)} of ${number.format(budget)} bits spent, ${number.format(budget - spent)} left.`
    : `${number.format(spent)} bits spent on a block of ${number.format(block.facts.payload)}. No budget is set, so nothing stops the session.`;
  const parts = [gauge, element("p", {}, text)];
  if (tripped) {
    const [title, meaning] = wordsOf(tripped.prevented);
    parts.unshift(element("p", { class: "breaker" }, "⚡ The circuit breaker tripped"));
    parts.push(element("p", {}, `Prevented: “${title}” (${meaning}) would have disclosed ${number.format(attempted)} bits ` +
      `more, ${number.format(spent + attempted - tripped.cap)} past the budget. It was never sent, no key is released, and the ` +
      `eavesdropper knows no more than the ${number.format(spent)} bits above.`));
  }
  place.replaceChildren(...parts);
  place.classList.toggle("tripped", Boolean(tripped));
}

export function drawEfficiency(place, block, policy) {
  const { noise, least, targetFer } = block.facts;
  if (!(noise > 0)) {
    place.replaceChildren(element("p", {}, "Without errors there is nothing to compare with: h(0) = 0."));
    return;
  }
  const bars = [
    ["Shannon: infinitely long keys", 1],
    ...(least > 0 ? [[`best possible one-way code of this length, FER ${targetFer}`, least / noise]] : []),
    ["this block, exact", block.charged.exact / noise],
    ["this block, syndrome cap", block.charged.cap / noise],
    ["this block, conservative", block.charged.conservative / noise],
  ];
  const most = Math.max(...bars.map(([, f]) => f), 1.2);
  place.replaceChildren(element("div", { class: "bars" }, ...bars.map(([name, f], i) => {
    const chosen = i >= bars.length - 3 && ["exact", "cap", "conservative"][i - bars.length + 3] === policy;
    const gauge = element("div", { class: "gauge", "aria-hidden": "true" }, bar(f / most), mark(1 / most));
    const label = element("div", { class: "name" },
      element("span", {}, chosen ? `${name} (charged)` : name), element("span", { class: "mono" }, f.toFixed(3)));
    return element("div", {}, label, gauge);
  })), element("p", { class: "source" },
    (block.charged.tags > 0 ? `The tag is left out here: its ${block.charged.tags} bits serve as many as 128 blocks.` : "No tag was sent.") +
    (block.charged.exact === 0 ? " Nothing was disclosed." : "")));
}

export { element };
