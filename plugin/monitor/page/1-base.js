// Numbers as text, elements, the look of the page.

const $ = (id) => document.getElementById(id);

// make builds an element. Text is always text: nothing here parses markup.
function make(tag, props, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props || {})) {
    if (k === "class") e.className = v;
    else if (k === "mark") e.style.setProperty("--mark", v);
    else if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else if (v !== null && v !== undefined) e.setAttribute(k, v);
  }
  e.append(...children.filter((c) => c !== null && c !== undefined));
  return e;
}

// put changes text or attributes only where they differ, so that a screen
// reader and the layout are left alone.
function put(e, text) {
  if (e.textContent !== text) e.textContent = text;
}
function mark(e, name, value) {
  if (value === null) {
    if (e.hasAttribute(name)) e.removeAttribute(name);
  } else if (e.getAttribute(name) !== value) e.setAttribute(name, value);
}

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const integer = (v) => whole.format(v);

// short writes a count or a rate in four characters or so.
function short(v) {
  if (!(v > 0)) return "0";
  if (v < 10) return String(Math.round(v * 100) / 100);
  if (v < 100) return String(Math.round(v * 10) / 10);
  if (v < 10000) return integer(v);
  if (v < 1e6) return (v / 1e3).toFixed(v < 1e5 ? 1 : 0) + " k";
  return (v / 1e6).toFixed(v < 1e7 ? 2 : 1) + " M";
}

// seconds writes a duration with three digits.
function seconds(v) {
  if (!(v > 0)) return "–";
  const three = (x) => (x < 10 ? x.toFixed(2) : x < 100 ? x.toFixed(1) : x.toFixed(0));
  if (v < 1e-3) return three(v * 1e6) + " µs";
  if (v < 1) return three(v * 1e3) + " ms";
  return three(v) + " s";
}

// plain drops zeros behind the point: "20.0 k/s" is "20 k/s" on a scale.
const plain = (text) => text.replace(/(\.\d*?)0+(?=\D|$)/, "$1").replace(/\.(?=\D|$)/, "");

function span(v) {
  v = Math.max(0, Math.floor(v));
  if (v < 60) return v + " s";
  if (v < 3600) return Math.floor(v / 60) + " min " + (v % 60) + " s";
  if (v < 86400) return Math.floor(v / 3600) + " h " + Math.floor((v % 3600) / 60) + " min";
  return Math.floor(v / 86400) + " d " + Math.floor((v % 86400) / 3600) + " h";
}

const ago = (v) => (v < 10 ? v.toFixed(1) + " s" : span(v));

// The look: as the system says, or as chosen here.
const looks = ["auto", "light", "dark"];
const systemDark = matchMedia("(prefers-color-scheme: dark)");
let look = "auto";
try {
  look = localStorage.getItem("phxpaxos-look") || "auto";
} catch (e) { /* a browser that keeps nothing */ }
if (!looks.includes(look)) look = "auto";

function wear() {
  const dark = look === "dark" || (look === "auto" && systemDark.matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  $("theme-icon").textContent = { auto: "◐", light: "☀", dark: "☾" }[look];
  $("theme-text").textContent = look;
  $("theme").setAttribute("aria-label", "Colours: " + (look === "auto" ? "as the system" : look) + ". Change");
  colours = null;
  redraw.all = true;
}

$("theme").addEventListener("click", () => {
  look = looks[(looks.indexOf(look) + 1) % looks.length];
  try {
    localStorage.setItem("phxpaxos-look", look);
  } catch (e) { /* then it lasts until the page is closed */ }
  wear();
  paint();
});

// colour reads a colour of the style sheet for a canvas.
let colours = null;
function colour(name) {
  if (!colours) colours = { style: getComputedStyle(document.documentElement), seen: {} };
  return (colours.seen[name] ??= colours.style.getPropertyValue("--" + name).trim());
}

// canvas sizes a canvas to its place on the screen and returns its context.
function canvasFor(c, height) {
  const ratio = devicePixelRatio || 1, w = c.clientWidth, h = height || c.clientHeight;
  if (c.width !== Math.round(w * ratio) || c.height !== Math.round(h * ratio)) {
    c.width = Math.round(w * ratio);
    c.height = Math.round(h * ratio);
    if (height) c.style.height = height + "px";
  }
  const g = c.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, w, h);
  return { g, w, h };
}

// tip shows a few lines beside the pointer.
function tip(x, y, title, lines) {
  const t = $("tip");
  t.replaceChildren(make("b", null, title), ...lines.map(([c, name, value]) =>
    make("div", null, c ? make("i", { mark: c }) : null, make("span", null, name), make("span", null, value))));
  t.hidden = false;
  const w = t.offsetWidth, h = t.offsetHeight;
  t.style.left = Math.max(4, x + 16 + w > innerWidth ? x - 16 - w : x + 16) + "px";
  t.style.top = Math.max(4, Math.min(y - h / 2, innerHeight - h - 4)) + "px";
}
const untip = () => { $("tip").hidden = true; };

// say tells a screen reader something.
const say = (text) => { $("say").textContent = text; };

// What has to be drawn again at the next frame.
const redraw = { all: true, plots: true, heat: true, table: true };
let painting = false;
function paint() {
  if (painting) return;
  painting = true;
  requestAnimationFrame(() => {
    painting = false;
    if (redraw.all || redraw.plots) drawPlots();
    if (redraw.all || redraw.heat) drawHeat();
    if (redraw.all || redraw.table) drawTable();
    redraw.all = redraw.plots = redraw.heat = redraw.table = false;
  });
}
