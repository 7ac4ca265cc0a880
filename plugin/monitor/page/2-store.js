// What the server has told.

// The places in a sample, as in package report.
const S = { time: 0, ok: 1, fail: 2, p50: 3, p99: 4, sync50: 5, sync99: 6, syncs: 7, disk: 8, waiting: 9, packets: 10, retries: 11, errors: 12, instances: 13, lag: 14 };
// The columns of a row, as in package monitor.
const R = { group: 0, instance: 1, lag: 2, master: 3, lease: 4, proposals: 5, packets: 6, start: 7, members: 8, answers: 9, stopped: 10, error: 11 };

const SAMPLES = 900;

const store = {
  skew: 0,      // this clock less the server's, in ms
  nodes: [],    // as the server sends them
  history: new Map(), // node key -> samples
  hidden: new Set(),  // keys of nodes that the plots leave out
  rows: [],     // by group
  rates: [],    // instances a second, by group
  rowsAt: 0,
};

const serverNow = () => Date.now() - store.skew;
const keyOf = (n) => (n.self ? "self" : n.addr);
const nameOf = (n) => n.node || n.addr.replace(/^https?:\/\//, "") || "this node";
const colourOf = (i) => "n" + (i % 8);

function takeView(v, fresh) {
  store.skew = Date.now() - v.time;
  if (fresh) store.history.clear();
  for (const n of v.nodes) {
    const key = keyOf(n);
    let h = store.history.get(key);
    if (!h) store.history.set(key, (h = []));
    for (const s of n.samples || []) {
      if (!h.length || s[S.time] > h[h.length - 1][S.time]) h.push(s);
    }
    if (h.length > SAMPLES) h.splice(0, h.length - SAMPLES);
  }
  store.nodes = v.nodes;
}

// takeRows takes the rows that changed; those that did not have made no
// progress.
function takeRows(v, fresh) {
  const now = serverNow(), passed = (now - store.rowsAt) / 1000;
  if (fresh) store.rows = [];
  store.rows.length = v.total;
  store.rates = fresh ? [] : new Array(v.total).fill(0);
  for (const r of v.rows) {
    const i = r[R.group], before = store.rows[i];
    if (before && passed > 0.2) store.rates[i] = Math.max(0, (r[R.instance] - before[R.instance]) / passed);
    store.rows[i] = r;
  }
  store.rowsAt = now;
}

// stateOf says how a group is doing, worst first.
const states = ["stopped", "no master", "lagging", "ok"];
function stateOf(r) {
  if (r[R.stopped] > 0) return 0;
  if (r[R.lease] > 0 && r[R.lease] < serverNow() - 500) return 1;
  if (r[R.lag] > 0 && r[R.lag] > LAG_OK) return 2;
  return 3;
}
// A busy group is always an instance or two behind somewhere.
const LAG_OK = 5;
const pillOf = ["bad", "bad", "warn", "ok"];

const last = (key) => {
  const h = store.history.get(key);
  return h && h.length ? h[h.length - 1] : null;
};

// recent is the last sample of a node, unless that is too old to be now.
const recent = (n) => {
  const s = last(keyOf(n));
  return s && n.state !== "down" && serverNow() - s[S.time] < 5000 ? s : null;
};
