// The Monte-Carlo's chart, table and files, from rows [{qber, frames, fer, ...}]. No document here: Node tests it.

export const QBERS = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.11];

export const LIGHT = { ink: "#1c2430", soft: "#55606e", line: "#d9dce0", bar: "#1d4e89", two: "#7d5ba6", ground: "#ffffff" };

const HEADER = ["qber", "frames", "fer", "fer_low", "fer_high", "f", "f_with_tag", "f_one_way_limit", "rounds", "iterations"];

/** Comma-separated, a header, one row for each error rate that has counts. */
export function csv(rows, command) {
  const lines = rows.filter((row) => row.frames > 0).map((row) =>
    [row.qber, row.frames, row.fer, row.low, row.high, row.f, row.fWithTag, row.limit || "", row.rounds, row.iterations].join(","));
  return [`# ${command}`, HEADER.join(","), ...lines, ""].join("\n");
}

const FLOOR = 1e-4;

/** Two charts above each other as one SVG. */
export function chart(rows, c = LIGHT, alone = false, width = 640) {
  const seen = rows.filter((row) => row.frames > 0);
  const [height, left, right] = [400, 46, 18];
  const x = (qber) => left + ((width - left - right) * qber) / 0.12;
  const logarithm = (value) => Math.log10(Math.max(value, FLOOR));
  const yFer = (value) => 14 + 160 * (logarithm(value) / Math.log10(FLOOR));
  const fs = seen.flatMap((row) => [row.f, row.limit || row.f]);
  const most = Math.max(1.5, ...fs.map((f) => Math.min(f, 4)));
  const yF = (f) => 214 + 150 * (1 - (Math.min(f, most) - 1) / (most - 1));
  const text = (at, y, content, anchor = "middle") =>
    `<text x="${at.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="${c.soft}" font-size="11" font-family="sans-serif">${content}</text>`;
  const grid = [];
  for (const power of [0, -1, -2, -3, -4]) {
    const y = yFer(10 ** power);
    grid.push(`<path d="M${left} ${y}H${width - right}" stroke="${c.line}"/>`, text(left - 6, y + 4, power ? `10${"⁻"}${"¹²³⁴"[-power - 1]}` : "1", "end"));
  }
  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    const f = 1 + part * (most - 1);
    grid.push(`<path d="M${left} ${yF(f).toFixed(1)}H${width - right}" stroke="${c.line}"/>`, text(left - 6, yF(f) + 4, f.toFixed(2), "end"));
  }
  for (let percent = 0; percent <= 12; percent += 2) grid.push(text(x(percent / 100), height - 14, `${percent} %`));
  const points = seen.flatMap((row) => {
    const at = x(row.qber).toFixed(1);
    return [
      `<path d="M${at} ${yFer(row.high).toFixed(1)}V${yFer(row.low).toFixed(1)}" stroke="${c.bar}" stroke-width="2"/>`,
      `<circle cx="${at}" cy="${yFer(row.fer).toFixed(1)}" r="4" fill="${row.fer > 0 ? c.bar : c.ground}" stroke="${c.bar}" stroke-width="2"/>`,
      `<circle cx="${at}" cy="${yF(row.f).toFixed(1)}" r="4" fill="${c.bar}"/>`,
    ];
  });
  const path = (rows, name) => rows.map((row, i) => `${i ? "L" : "M"}${x(row.qber).toFixed(1)} ${yF(row[name]).toFixed(1)}`).join("");
  const limits = seen.filter((row) => row.limit > 0);
  const attributes = alone ? 'xmlns="http://www.w3.org/2000/svg" width="640" height="400"' : "";
  return `<svg ${attributes} viewBox="0 0 ${width} ${height}" role="img" aria-label="Frame error rate and efficiency against QBER; the table below has the figures">
${alone ? `<rect width="${width}" height="${height}" fill="${c.ground}"/>` : ""}${grid.join("\n")}
<path d="${path(limits, "limit")}" fill="none" stroke="${c.two}" stroke-width="2" stroke-dasharray="5 4"/>
<path d="${path(seen, "f")}" fill="none" stroke="${c.bar}" stroke-width="2"/>
${points.join("\n")}
${text(left + 6, 26, "frame error rate, 95 % interval (open: no error seen)", "start")}${text(width - right, 206, "f; dashed: least of one-way codes at FER 10⁻³", "end")}
${text((left + width - right) / 2, height - 1, "QBER")}</svg>`;
}

/** Cells of the table. */
export function table(rows) {
  const small = (value) => (value === 0 ? "0" : value >= 0.001 ? value.toFixed(4) : value.toExponential(1));
  return rows.map((row) => [
    `${(100 * row.qber).toFixed(0)} %`,
    ...(row.refused ? ["no rate fits", "", "", "", ""] : row.frames > 0
      ? [row.frames, small(row.fer), `${small(row.low)} to ${small(row.high)}`, row.f.toFixed(3), row.iterations.toFixed(1)]
      : ["", "", "", "", ""]),
  ]);
}
