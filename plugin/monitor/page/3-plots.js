// The plots of the last 15 minutes: a line for each node.

const plots = [
  { id: "throughput", title: "Throughput", key: "proposals per second", lines: [[S.ok, []]], text: (v) => short(v) + "/s", sum: true },
  { id: "latency", title: "Latency", key: "— p99  ┄ p50", lines: [[S.p99, []], [S.p50, [3, 3]]], text: seconds, skipZero: true },
  { id: "sync", title: "Disk sync", key: "— p99  ┄ p50", lines: [[S.sync99, []], [S.sync50, [3, 3]]], text: seconds, skipZero: true },
  { id: "queues", title: "Queues", key: "— proposals  ┄ records for the disk", lines: [[S.waiting, []], [S.disk, [3, 3]]], text: short, sum: true },
  { id: "trouble", title: "Retries, errors", key: "per second: — retries  ┄ errors", lines: [[S.retries, []], [S.errors, [3, 3]]], text: (v) => short(v) + "/s", sum: true, peak: true },
  { id: "lag", title: "Lag", key: "instances of the furthest group", lines: [[S.lag, []]], text: short, peak: true },
];

for (const p of plots) {
  p.canvas = make("canvas", { id: "plot-" + p.id, role: "img", "aria-label": p.title });
  p.now = make("span", { class: "now", id: "now-" + p.id }, "");
  $("plots").append(make("div", { class: "card plot" },
    make("div", { class: "ttl" }, make("h3", null, p.title), make("span", { class: "key" }, p.key), p.now), p.canvas));
  p.canvas.addEventListener("pointermove", (e) => { hover = { p, x: e.offsetX, cx: e.clientX, cy: e.clientY }; redraw.plots = true; paint(); });
  p.canvas.addEventListener("pointerleave", () => { hover = null; untip(); redraw.plots = true; paint(); });
}
let hover = null;

function drawLegend() {
  const box = $("legend");
  store.nodes.forEach((n, i) => {
    const key = keyOf(n);
    let b = box.children[i];
    if (!b) {
      b = make("button", { type: "button" }, make("i", null), make("span", null, ""));
      b.addEventListener("click", () => {
        if (!store.hidden.delete(b.dataset.key)) store.hidden.add(b.dataset.key);
        drawLegend();
        redraw.plots = true;
        paint();
      });
      box.append(b);
    }
    b.dataset.key = key;
    b.style.setProperty("--mark", "var(--" + colourOf(i) + ")");
    put(b.lastChild, nameOf(n));
    mark(b, "aria-pressed", String(!store.hidden.has(key)));
  });
  while (box.children.length > store.nodes.length) box.lastChild.remove();
}

// nice is a round number not below v, and how many lines fit below it.
function nice(v) {
  const p = Math.pow(10, Math.floor(Math.log10(v)));
  for (const [m, n] of [[1, 2], [2, 2], [3, 3], [4, 4], [5, 5], [6, 3], [8, 4], [10, 2]]) {
    if (m * p >= v * 0.999) return [m * p, n];
  }
  return [10 * p, 2];
}

// The plots show 15 minutes, or less while there is less to show.
const MINUTE = 60000;
let KEEP = 15 * MINUTE;
function fitTime(now) {
  let oldest = now;
  for (const h of store.history.values()) if (h.length) oldest = Math.min(oldest, h[0][S.time]);
  const minutes = [1, 2, 5, 10, 15].find((m) => now - oldest <= m * MINUTE) || 15;
  KEEP = minutes * MINUTE;
  put($("h-plots"), minutes === 1 ? "Last minute" : "Last " + minutes + " minutes");
}

function drawPlots() {
  const now = serverNow();
  fitTime(now);
  for (const p of plots) drawPlot(p, now);
}

function drawPlot(p, now) {
  const { g, w, h } = canvasFor(p.canvas);
  const left = 48, right = w - 2, top = 8, bottom = h - 18;
  const from = now - KEEP;
  let high = 0;
  for (const n of store.nodes) {
    if (store.hidden.has(keyOf(n))) continue;
    for (const s of store.history.get(keyOf(n)) || []) {
      if (s[S.time] >= from) for (const [at] of p.lines) high = Math.max(high, s[at]);
    }
  }
  const [max, ticks] = nice(p.text === short ? Math.max(high * 1.05, 4) : high > 0 ? high * 1.05 : p.text === seconds ? 1e-3 : 1);
  const x = (t) => left + ((t - from) / KEEP) * (right - left);
  const y = (v) => bottom - (v / max) * (bottom - top);

  g.font = "11px system-ui, sans-serif";
  g.lineWidth = 1;
  g.strokeStyle = colour("grid");
  g.fillStyle = colour("dim");
  for (let i = 0; i <= ticks; i++) {
    const at = Math.round(y((max * i) / ticks)) + 0.5;
    g.beginPath(); g.moveTo(left, at); g.lineTo(right, at); g.stroke();
  }
  g.textBaseline = "middle";
  g.textAlign = "right";
  for (let i = 0; i <= ticks; i++) g.fillText(i ? plain(p.text((max * i) / ticks)) : "0", left - 7, y((max * i) / ticks));
  g.textBaseline = "top";
  const minutes = KEEP / MINUTE;
  for (const m of minutes === 15 ? [15, 10, 5, 0] : [minutes, minutes / 2, 0]) {
    g.textAlign = m === minutes ? "left" : m === 0 ? "right" : "center";
    g.fillText(!m ? "now" : m < 1 ? m * 60 + " s" : m + " min", x(now - m * MINUTE), bottom + 5);
  }

  store.nodes.forEach((n, i) => {
    const key = keyOf(n);
    if (store.hidden.has(key)) return;
    const samples = store.history.get(key) || [];
    // The thin lines first, so that the thick ones are on top.
    for (const [at, dash] of [...p.lines].reverse()) {
      g.strokeStyle = colour(colourOf(i));
      g.lineWidth = dash.length ? 1 : 1.6;
      g.globalAlpha = dash.length ? 0.75 : 1;
      g.setLineDash(dash);
      line(g, samples, at, from, x, y, p);
    }
    g.setLineDash([]);
    g.globalAlpha = 1;
  });

  describe(p);
  if (hover && hover.p === p) drawHover(p, g, from + ((hover.x - left) / (right - left)) * KEEP, x, y, top, bottom);
}

// line draws one line of 180 points: all 900 samples would be a blur. A point
// is the mean of its samples or, where a single one matters, the highest; the
// last one ends at the newest sample. Where a node said nothing the line has a
// gap.
function line(g, samples, at, from, x, y, p) {
  const EVERY = Math.max(1000, KEEP / 180), points = [];
  let slot = -1, sum = 0, n = 0, high = 0, t = 0;
  const flush = () => { if (n) points.push([t, p.peak ? high : sum / n]); };
  for (const s of samples) {
    if (s[S.time] < from || (p.skipZero && !s[at])) continue;
    const k = Math.floor(s[S.time] / EVERY);
    if (k !== slot) {
      flush();
      slot = k; sum = n = high = 0;
    }
    sum += s[at]; n++; high = Math.max(high, s[at]); t = s[S.time];
  }
  flush();
  g.beginPath();
  let before = 0;
  for (const [t, v] of points) {
    if (t - before > EVERY + 3000) {
      g.moveTo(x(t) - 1.5, y(v)); // so that a single point shows
      g.lineTo(x(t), y(v));
    } else g.lineTo(x(t), y(v));
    before = t;
  }
  g.stroke();
}

function drawHover(p, g, t, x, y, top, bottom) {
  const found = [];
  let when = 0;
  store.nodes.forEach((n, i) => {
    if (store.hidden.has(keyOf(n))) return;
    let best = null;
    for (const s of store.history.get(keyOf(n)) || []) {
      if (!best || Math.abs(s[S.time] - t) < Math.abs(best[S.time] - t)) best = s;
    }
    if (!best || Math.abs(best[S.time] - t) > 3000) return;
    when = best[S.time];
    found.push(["var(--" + colourOf(i) + ")", nameOf(n), p.lines.map(([at]) => p.text(best[at])).join(" · ")]);
    g.fillStyle = colour(colourOf(i));
    g.beginPath(); g.arc(x(best[S.time]), y(best[p.lines[0][0]]), 3, 0, 7); g.fill();
  });
  if (!found.length) return untip();
  g.strokeStyle = colour("dim");
  g.lineWidth = 1;
  g.setLineDash([2, 2]);
  const at = Math.round(x(when)) + 0.5;
  g.beginPath(); g.moveTo(at, top); g.lineTo(at, bottom); g.stroke();
  g.setLineDash([]);
  tip(hover.cx, hover.cy, new Date(when + store.skew).toLocaleTimeString(), found);
}

// describe says the present value as text.
function describe(p) {
  const at = p.lines[0][0], values = [];
  for (const n of store.nodes) {
    const s = recent(n);
    if (s) values.push(s[at]);
  }
  const now = values.length ? (p.sum ? values.reduce((a, b) => a + b, 0) : Math.max(...values)) : null;
  const text = now === null ? "" : p.text(now);
  if (p.now.textContent !== text) {
    p.now.textContent = text;
    p.canvas.setAttribute("aria-label", p.title + ", " + p.key.replace(/[—┄]/g, "") + ": now " + (text || "unknown") + (p.sum ? " in all" : " at most"));
  }
}
