// The summary and the cards of the nodes.

const tileNames = [["nodes", "Nodes up"], ["groups", "Groups"], ["rate", "Throughput"], ["p99", "Latency p99"], ["sync", "Disk sync p99"], ["waiting", "Proposals waiting"], ["retries", "Retries"], ["errors", "Errors"]];
const tiles = {};
for (const [id, name] of tileNames) {
  const big = make("dd", { class: "big", id: "tile-" + id }, "–"), sub = make("dd", { class: "sub", id: "tile-" + id + "-sub" }, " ");
  tiles[id] = { box: make("div", null, make("dt", null, name), big, sub), big, sub };
  $("tiles").append(tiles[id].box);
}

function tile(id, value, unit, sub, state) {
  const t = tiles[id], key = value + "|" + unit;
  if (t.key !== key) {
    t.big.replaceChildren(value, unit ? make("small", null, unit) : "");
    t.key = key;
  }
  put(t.sub, sub);
  mark(t.box, "data-state", state || null);
}

function drawTiles() {
  const nodes = store.nodes, alive = nodes.filter((n) => n.state === "running");
  const samples = nodes.map(recent).filter(Boolean);
  const sum = (at) => samples.reduce((a, s) => a + s[at], 0), top = (at) => samples.reduce((a, s) => Math.max(a, s[at]), 0);
  const total = (f) => nodes.reduce((a, n) => a + ((n.events && n.events[f]) || 0), 0);
  let stopped = 0, masterless = 0, lagging = 0;
  for (const r of store.rows) {
    if (!r) continue;
    const s = stateOf(r);
    stopped += s === 0;
    masterless += s === 1;
    lagging += s === 2;
  }
  const bad = nodes.length - alive.length;
  tile("nodes", alive.length + "/" + nodes.length, "", bad ? nodes.filter((n) => n.state !== "running").map(nameOf).join(", ") : "all answer", bad ? "bad" : null);
  tile("groups", integer(store.rows.length), "", stopped || masterless || lagging
    ? [[stopped, "stopped"], [masterless, "without master"], [lagging, "lagging"]].filter(([n]) => n).map(([n, t]) => n + " " + t).join(", ") : "all work", stopped || masterless ? "bad" : lagging ? "warn" : null);
  tile("rate", short(sum(S.ok)), "/s", integer(total("proposals")) + " in all");
  const [p99, u1] = seconds(top(S.p99)).split(" ");
  tile("p99", p99, u1 || "", "median " + seconds(top(S.p50)));
  const [sync, u2] = seconds(top(S.sync99)).split(" ");
  const busy = nodes.reduce((a, n) => Math.max(a, n.state === "running" ? n.disk.busy : 0), 0);
  tile("sync", sync, u2 || "", busy > 1 ? "a write hangs for " + ago(busy) : short(sum(S.syncs)) + " writes/s", busy > 1 ? "bad" : null);
  tile("waiting", integer(sum(S.waiting)), "", integer(sum(S.packets)) + " packets, " + integer(sum(S.disk)) + " records");
  tile("retries", short(sum(S.retries)), "/s", integer(total("retries")) + " in all");
  tile("errors", short(sum(S.errors) + sum(S.fail)), "/s", integer(total("errors")) + " errors, " + integer(total("failed")) + " failed", sum(S.errors) > 0 ? "warn" : null);

  const v = $("verdict");
  const [state, text] = !nodes.length ? ["unknown", "connecting"]
    : bad || stopped ? ["bad", [bad && bad + " of " + nodes.length + " nodes down", stopped && stopped + (stopped === 1 ? " group" : " groups") + " stopped"].filter(Boolean).join(", ")]
    : masterless ? ["warn", masterless + " without master"]
    : lagging ? ["warn", "catching up"] : ["ok", "healthy"];
  mark(v, "data-state", state);
  put(v, text);
  const title = (state === "ok" ? "" : text + " · ") + "phxpaxos";
  if (document.title !== title) document.title = title;
}

const nodeStates = new Map();

function drawNodes() {
  const list = $("nodes");
  store.nodes.forEach((n, i) => {
    let card = list.children[i];
    if (!card) list.append((card = nodeCard()));
    fillNode(card, n, i);
    const key = keyOf(n), before = nodeStates.get(key);
    if (before && before !== n.state) say("Node " + nameOf(n) + " is " + n.state);
    nodeStates.set(key, n.state);
  });
  while (list.children.length > store.nodes.length) list.lastChild.remove();
}

const facts = [["uptime", "Up"], ["led", "Leads"], ["rate", "Proposals"], ["p99", "p99"], ["waiting", "Waiting"], ["lag", "Lag"], ["sync", "Sync"], ["disk", "Disk queue"]];

function nodeCard() {
  const card = make("li", { class: "card node" },
    make("div", { class: "name" }, make("b", null, ""), make("span", { class: "pill" }, "")),
    make("div", { class: "where" }, ""));
  const dl = make("dl", { class: "facts" });
  card.parts = { name: card.querySelector("b"), pill: card.querySelector(".pill"), where: card.querySelector(".where"), facts: {} };
  for (const [id, name] of facts) {
    const dd = make("dd", { "data-fact": id }, "–");
    card.parts.facts[id] = dd;
    dl.append(make("div", null, make("dt", null, name), dd));
  }
  card.parts.why = make("p", { class: "why" }, "");
  card.parts.hears = make("p", { class: "hears" }, "");
  card.append(dl, card.parts.why, card.parts.hears);
  return card;
}

function fillNode(card, n, i) {
  const p = card.parts, s = recent(n), t = n.totals || {}, running = n.state === "running";
  mark(card, "data-state", n.state);
  mark(card, "data-node", nameOf(n));
  card.style.setProperty("--mark", "var(--" + colourOf(i) + ")");
  put(p.name, nameOf(n));
  mark(p.pill, "data-state", n.state === "running" ? (t.stopped ? "bad" : "ok") : n.state === "down" ? "bad" : n.state === "unknown" ? "unknown" : "warn");
  put(p.pill, n.state === "running" && t.stopped ? t.stopped + " stopped" : n.state === "running" ? "up" : n.state);
  put(p.where, n.self ? "this page's node" : "monitor " + n.addr.replace(/^http:\/\//, ""));
  const fact = (id, text, state) => { put(p.facts[id], text); mark(p.facts[id], "data-state", state || null); };
  fact("uptime", n.uptime ? span(n.uptime) : "–");
  fact("led", t.groups ? integer(t.led || 0) + "/" + integer(t.groups) : "–");
  fact("rate", s ? short(s[S.ok]) + "/s" : "–");
  fact("p99", s ? seconds(s[S.p99]) : "–");
  fact("sync", !n.disk ? "–" : n.disk.busy > 1 && running ? "hangs " + ago(n.disk.busy) : s && s[S.sync99] ? seconds(s[S.sync99]) : seconds(n.disk.took), n.disk && n.disk.busy > 1 && running ? "bad" : null);
  fact("disk", n.disk ? integer(n.disk.queue) : "–");
  fact("waiting", s ? integer(s[S.waiting]) : "–");
  fact("lag", s ? integer(s[S.lag]) : "–", s && s[S.lag] > 1000 ? "bad" : s && s[S.lag] > LAG_OK ? "warn" : null);
  put(p.why, n.state === "down" ? (n.error || "no answer") + " · last seen " + (n.node ? ago(n.sinceReport) + " ago" : "never")
    : n.state === "starting" && n.replay ? "replaying: group " + n.replay.group + " has " + integer(n.replay.left) + " of " + integer(n.replay.of) + " instances left" : "");
  const peers = n.state === "down" ? [] : n.peers || [];
  put(p.hears, peers.length ? "hears " + peers.map((q) => q.node.replace(/^.*:/, peers.every((o) => o.node.split(":")[0] === peers[0].node.split(":")[0]) ? ":" : "$&") + " " + (q.heard ? ago(q.silence) + " ago" : "never")).map((q) => q.replaceAll(" ", "\u00a0")).join(" · ") : "");
}
