// Server-sent events.

let source = null, lastMessage = 0, lostSince = 0;

function refresh() {
  drawTiles();
  drawNodes();
  drawLegend();
  redraw.plots = redraw.table = true; // leases run down
  if (!document.hidden) paint();
}

function live(state, text) {
  mark($("live"), "data-state", state);
  put($("live-text"), text);
}

function heard() {
  lastMessage = Date.now();
  lostSince = 0;
  $("lost").hidden = true;
  live("on", "live");
}

function connect() {
  if (source) source.close();
  source = new EventSource("events");
  let fresh = false;
  source.addEventListener("hello", (e) => {
    heard();
    fresh = true;
    takeView(JSON.parse(e.data), true);
    refresh();
  });
  source.addEventListener("tick", (e) => {
    heard();
    takeView(JSON.parse(e.data), false);
    refresh();
  });
  source.addEventListener("groups", (e) => {
    heard();
    takeRows(JSON.parse(e.data), fresh);
    fresh = false;
    drawTiles();
    select();
  });
  source.onerror = () => lost();
}

// lost: the node behind this page does not answer. It turns red as the others
// do, and so does the page.
function lost() {
  if (!lostSince) lostSince = Date.now();
  live("off", "no connection");
  const own = store.nodes.find((n) => n.self);
  if (own && own.state !== "down") {
    own.state = "down";
    own.error = "this page has lost its connection";
    own.sinceReport = 0;
    refresh();
  }
  const box = $("lost");
  put(box, "No connection to the node behind this page since " + new Date(lostSince).toLocaleTimeString() + ". What is shown is from then; trying again…");
  box.hidden = false;
}

// A connection can die without an error, and a browser gives up after one.
setInterval(() => {
  if (lastMessage && Date.now() - lastMessage > 2500) lost();
  if (source && source.readyState === EventSource.CLOSED && !document.hidden) connect();
}, 1000);
document.addEventListener("visibilitychange", () => { redraw.all = true; paint(); });
addEventListener("resize", () => { redraw.all = true; paint(); });
systemDark.addEventListener("change", () => { wear(); paint(); });

put($("foot"), location.host);
wear();
select();
connect();
