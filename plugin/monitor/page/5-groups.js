// Heat map, table and dialog of the groups.

const PAGE = 25;
const view = { search: "", filter: "all", sort: "state", down: false, page: 0, by: "state", list: [], cursor: 0 };

const columns = [
  { id: "group", name: "Group", value: (r) => r[R.group], text: (r) => integer(r[R.group]), left: true },
  { id: "state", name: "State", value: (r) => stateOf(r), text: (r) => states[stateOf(r)], left: true },
  { id: "master", name: "Master", value: (r) => r[R.master] || "~", text: (r) => r[R.master] || "–", left: true },
  { id: "lease", name: "Lease left", value: (r) => r[R.lease], text: (r) => leaseText(r), optional: true },
  { id: "instance", name: "Instance", value: (r) => r[R.instance], text: (r) => integer(r[R.instance]) },
  { id: "rate", name: "Instances/s", value: (r) => store.rates[r[R.group]] || 0, text: (r) => short(store.rates[r[R.group]] || 0), optional: true },
  { id: "lag", name: "Lag", value: (r) => r[R.lag], text: (r) => integer(r[R.lag]) },
  { id: "proposals", name: "Proposals", value: (r) => r[R.proposals], text: (r) => integer(r[R.proposals]), optional: true },
  { id: "packets", name: "Packets", value: (r) => r[R.packets], text: (r) => integer(r[R.packets]), optional: true },
  { id: "start", name: "Log starts at", value: (r) => r[R.start], text: (r) => integer(r[R.start]), optional: true },
  { id: "answers", name: "Nodes", value: (r) => r[R.answers], text: (r) => r[R.answers] + "/" + r[R.members], optional: true },
];

function leaseText(r) {
  if (!r[R.lease]) return "–";
  const left = (r[R.lease] - serverNow()) / 1000;
  return left > 0 ? left.toFixed(1) + " s" : "ended";
}

for (const c of columns) {
  const b = make("button", { type: "button", id: "sort-" + c.id, onclick: () => {
    if (view.sort === c.id) view.down = !view.down;
    else { view.sort = c.id; view.down = !c.left; }
    view.page = 0;
    select();
  } }, c.name);
  c.th = make("th", { scope: "col", class: (c.left ? "l" : "") + (c.optional ? " opt" : ""), "data-col": c.id }, b);
  $("thead").append(c.th);
}

function buttons(box, names, pressed, choose) {
  for (const name of names) {
    box.append(make("button", { type: "button", "data-name": name, "aria-pressed": String(name === pressed), onclick: (e) => {
      for (const b of box.children) b.setAttribute("aria-pressed", String(b === e.currentTarget));
      choose(name);
    } }, name));
  }
}
buttons($("filters"), ["all", ...states.slice(0, 3)], "all", (name) => { view.filter = name; view.page = 0; select(); });
buttons($("heat-by"), ["state", "lag", "activity", "queue"], "state", (name) => { view.by = name; redraw.heat = true; paint(); });
$("search").addEventListener("input", (e) => { view.search = e.target.value.trim().toLowerCase(); view.page = 0; select(); });
$("prev").addEventListener("click", () => { view.page--; redraw.table = true; paint(); });
$("next").addEventListener("click", () => { view.page++; redraw.table = true; paint(); });

function matches(r) {
  const state = states[stateOf(r)];
  if (view.filter !== "all" && state !== view.filter) return false;
  const q = view.search;
  if (!q) return true;
  if (/^\d+$/.test(q)) return String(r[R.group]) === q || String(r[R.group]).startsWith(q);
  return r[R.master].includes(q) || state.includes(q) || r[R.error].toLowerCase().includes(q);
}

// select finds the rows to show and puts them into order. With equal values
// the lower group comes first, so that the order is steady.
function select() {
  const c = columns.find((x) => x.id === view.sort), sign = view.down ? -1 : 1;
  view.list = store.rows.filter((r) => r && matches(r)).map((r) => [c.value(r), r]);
  const exact = /^\d+$/.test(view.search) ? Number(view.search) : -1;
  view.list.sort(([a, x], [b, y]) => (y[R.group] === exact) - (x[R.group] === exact) || (a < b ? -sign : a > b ? sign : x[R.group] - y[R.group]));
  view.list = view.list.map(([, r]) => r);
  for (const x of columns) mark(x.th, "aria-sort", x === c ? (view.down ? "descending" : "ascending") : null);
  redraw.table = redraw.heat = true;
  paint();
}

function drawTable() {
  const pages = Math.max(1, Math.ceil(view.list.length / PAGE));
  view.page = Math.min(Math.max(0, view.page), pages - 1);
  const rows = view.list.slice(view.page * PAGE, (view.page + 1) * PAGE), body = $("tbody");
  while (body.children.length > rows.length) body.lastChild.remove();
  rows.forEach((r, i) => fillRow(body.children[i] || body.appendChild(tableRow()), r));
  $("none").hidden = rows.length > 0 || !store.rows.length;
  $("pager").hidden = pages === 1;
  $("prev").disabled = view.page === 0;
  $("next").disabled = view.page === pages - 1;
  put($("pages"), integer(view.page * PAGE + (rows.length ? 1 : 0)) + "–" + integer(view.page * PAGE + rows.length) + " of " + integer(view.list.length));
  put($("groups-total"), view.list.length === store.rows.length ? integer(store.rows.length) : integer(view.list.length) + " of " + integer(store.rows.length));
}

function tableRow() {
  const tr = make("tr", { "data-open": "" });
  tr.cells2 = {};
  for (const c of columns) {
    const td = make("td", { class: (c.left ? "l" : "") + (c.optional ? " opt" : ""), "data-col": c.id });
    const inner = c.id === "group" ? make("button", { class: "open", type: "button" }) : c.id === "state" ? make("span", { class: "pill" }) : null;
    if (inner) td.append(inner);
    tr.cells2[c.id] = inner || td;
    tr.append(td);
  }
  tr.addEventListener("click", () => open(Number(tr.dataset.group)));
  return tr;
}

function fillRow(tr, r) {
  mark(tr, "data-group", String(r[R.group]));
  for (const c of columns) put(tr.cells2[c.id], c.text(r));
  mark(tr.cells2.state, "data-state", pillOf[stateOf(r)]);
  mark(tr.cells2.group, "aria-label", "Group " + r[R.group] + ", details");
  mark(tr, "title", r[R.error] || null);
}

// The heat map: a square for each group that the search finds, by number.
const steps = { lag: [LAG_OK, 50, 500, 5000], activity: [0, 10, 100, 1000], queue: [0, 10, 100, 1000] };
const heatValue = { lag: (r) => r[R.lag], activity: (r) => store.rates[r[R.group]] || 0, queue: (r) => r[R.proposals] + r[R.packets] };
const stateColours = ["c-bad", "c-bad", "c-warn", "c-ok"];
let heat = { cells: [], size: 0, gap: 0, across: 1 };

function heatColour(r) {
  if (view.by === "state") return stateColours[stateOf(r)];
  const v = heatValue[view.by](r);
  return "h" + steps[view.by].filter((s) => v > s).length;
}

function heatLegend() {
  const entries = view.by === "state" ? [["c-ok", "ok"], ["c-warn", "lagging"], ["c-bad", "! stopped, ? without master"]]
    : [0, 1, 2, 3, 4].map((i) => ["h" + i, i === 0 ? (steps[view.by][0] ? "≤ " + steps[view.by][0] : "0") : "> " + short(steps[view.by][i - 1])]);
  $("heat-legend").replaceChildren(...entries.map(([c, t]) => make("span", null, make("i", { mark: "var(--" + c + ")" }), t + (view.by === "activity" && t !== "0" ? "/s" : ""))));
}

function drawHeat() {
  const c = $("heat"), cells = [...view.list].sort((a, b) => a[R.group] - b[R.group]);
  const w = c.clientWidth, n = Math.max(1, cells.length);
  $("heat-box").hidden = store.rows.length < 2;
  if (store.rows.length < 2 || !w) return;
  // Squares of 28 pixels at most, smaller until 1 000 fit into a band.
  const room = w < 600 ? 260 : 190;
  let size = 28;
  while (size > 4 && Math.ceil(n / Math.floor(w / size)) * size > room) size--;
  const gap = size > 14 ? 3 : size > 7 ? 2 : 1, across = Math.max(1, Math.floor((w + gap) / size));
  const { g } = canvasFor(c, Math.ceil(n / across) * size);
  heat = { cells, size, gap, across };
  cells.forEach((r, i) => {
    g.fillStyle = colour(heatColour(r));
    const x = (i % across) * size, y = Math.floor(i / across) * size;
    if (size > 9) { g.beginPath(); g.roundRect(x, y, size - gap, size - gap, 3); g.fill(); }
    else g.fillRect(x, y, size - gap, size - gap);
    if (size > 14 && stateOf(r) < 2) { // not by colour alone
      g.fillStyle = colour("card");
      g.font = "bold " + Math.round(size * 0.55) + "px system-ui, sans-serif";
      g.textAlign = "center";
      g.textBaseline = "middle";
      g.fillText(stateOf(r) === 0 ? "!" : "?", x + (size - gap) / 2, y + (size - gap) / 2 + 1);
    }
  });
  if (document.activeElement === c && cells.length) {
    view.cursor = Math.min(view.cursor, cells.length - 1);
    g.strokeStyle = colour("text");
    g.lineWidth = 2;
    g.strokeRect((view.cursor % across) * size + 1, Math.floor(view.cursor / across) * size + 1, size - gap - 2, size - gap - 2);
  }
  heatLegend();
  const bad = cells.filter((r) => stateOf(r) < 2).length, late = cells.filter((r) => stateOf(r) === 2).length;
  mark(c, "aria-label", "Map of " + integer(cells.length) + " groups: " + bad + " stopped or without master, " + late + " lagging");
}

function heatAt(e) {
  const col = Math.floor(e.offsetX / heat.size), i = Math.floor(e.offsetY / heat.size) * heat.across + col;
  return col < heat.across && i >= 0 ? heat.cells[i] : undefined;
}
const cellText = (r) => [["", "state", states[stateOf(r)]], ["", "master", r[R.master] || "–"], ["", "instance", integer(r[R.instance])], ["", "lag", integer(r[R.lag])], ["", "per second", short(store.rates[r[R.group]] || 0)]];
$("heat").addEventListener("pointermove", (e) => { const r = heatAt(e); if (r) tip(e.clientX, e.clientY, "Group " + r[R.group], cellText(r)); else untip(); });
$("heat").addEventListener("pointerleave", untip);
$("heat").addEventListener("click", (e) => { const r = heatAt(e); if (r) open(r[R.group]); });
for (const name of ["focus", "blur"]) $("heat").addEventListener(name, () => { redraw.heat = true; paint(); });
$("heat").addEventListener("keydown", (e) => {
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: heat.across, ArrowUp: -heat.across, Home: -1e9, End: 1e9 }[e.key];
  if (step) {
    view.cursor = Math.min(heat.cells.length - 1, Math.max(0, view.cursor + step));
    const r = heat.cells[view.cursor];
    if (r) say("Group " + r[R.group] + ", " + states[stateOf(r)] + ", instance " + r[R.instance] + ", lag " + r[R.lag]);
    redraw.heat = true;
    paint();
  } else if (e.key === "Enter" && heat.cells[view.cursor]) open(heat.cells[view.cursor][R.group]);
  else return;
  e.preventDefault();
});

// The dialog: one group as every node sees it.
async function open(group) {
  const d = $("dialog"), body = $("dialog-body");
  $("dialog-title").textContent = "Group " + group;
  body.replaceChildren(make("p", { class: "none" }, "asking the nodes…"));
  if (!d.open) d.showModal();
  try {
    const answer = await fetch("api/group?group=" + group);
    if (!answer.ok) throw new Error((await answer.text()).trim());
    body.replaceChildren(detailTable(await answer.json()));
  } catch (e) {
    body.replaceChildren(make("p", { class: "none" }, "No answer: " + e.message));
  }
}
$("dialog-close").addEventListener("click", () => $("dialog").close());
$("dialog").addEventListener("click", (e) => { if (e.target === $("dialog")) $("dialog").close(); });

function detailTable(d) {
  const rows = [["Node", (v) => v.node], ["Node is", (v) => v.state], ["Instance", (g) => integer(g.instance)], ["Lag", (g) => integer(g.highest - g.instance)], ["Log starts at", (g) => integer(g.minChosen)],
    ["Master", (g) => (g.master || "–") + (g.isMaster ? " (itself)" : "")], ["Version of the master", (g) => (g.version === undefined ? "–" : integer(g.version))], ["Lease left", (g) => (g.leaseLeft ? g.leaseLeft.toFixed(1) + " s" : "–")],
    ["Proposals", (g) => integer(g.proposals || 0)], ["Callers that wait", (g) => integer(g.waiting || 0)], ["Packets that wait", (g) => integer(g.packets || 0)], ["Members", (g) => (g.members || []).join(", ")], ["Error", (g) => g.error || "–"]];
  const table = make("table", null);
  rows.forEach(([name, text], i) => {
    table.append(make("tr", null, make("th", { scope: "row", class: "l" }, make("span", null, name)),
      ...d.nodes.map((v) => make(i ? "td" : "th", { class: name === "Error" && v.status && v.status.error ? "err" : "l" }, i < 2 ? text(v) : v.status ? text(v.status) : "–"))));
  });
  return table;
}
