// Charts of the last hour, drawn by uPlot from the figures that this node keeps.

import { get } from "./api.js";
import { h } from "./dom.js";
import { redraw, store } from "./store.js";

const keep = 3_600_000;
const height = 132;
// The span of a chart, in seconds, at least.
const shortest = 600;
let timer = null;

// follow asks for new figures as long as the charts are seen.
export function follow(on) {
  clearTimeout(timer);
  if (on) refresh();
}

async function refresh() {
  const last = store.series?.at.at(-1);
  try {
    merge(await get(`/series${last ? `?since=${last}` : ""}`));
  } catch {
    // The banner tells when the node is away; charts keep what they have.
  }
  timer = setTimeout(refresh, Math.max(1_000, store.series?.step_ms ?? 5_000));
}

// merge appends what is newer and drops what is older than an hour.
function merge(news) {
  const old = store.series;
  if (!old) {
    store.series = news;
  } else {
    const last = old.at.at(-1) ?? 0;
    const from = news.at.findIndex((at) => at > last);
    if (from < 0) return;
    const drop = Math.max(0, old.at.findIndex((at) => at > news.at.at(-1) - keep));
    const join = (before, after) => [...(before ?? []).slice(drop), ...(after ?? []).slice(from)];
    const all = (before, after) => after && Object.fromEntries(Object.keys(after).map((name) => [name, join(before?.[name], after[name])]));
    store.series = { step_ms: news.step_ms, at: join(old.at, news.at), node: all(old.node, news.node), cluster: all(old.cluster, news.cluster) };
  }
  redraw();
}

const charts = new Map();

// chart describes one; what it shows in words stands under its title.
export function chart({ id, title, format, lines, scope, steps }) {
  const series = store.series?.[scope] ?? store.series?.node;
  const values = lines.map(([name]) => series?.[name] ?? []);
  const spec = { id, format, lines, steps, values, at: store.series?.at ?? [] };
  const now = values.map((list, at) => `${lines.length > 1 ? `${lines[at][1]} ` : ""}${format(list.at(-1))}`).join(", ");
  const top = Math.max(...values.flat().filter((value) => value !== null));
  charts.get(id)?.show(spec);
  return h("figure", { class: "chart", key: id },
    h("figcaption", {}, h("span", { class: "strong" }, title),
      Number.isFinite(top) && h("span", { class: "note" }, `now ${now}, at most ${format(top)}`)),
    !Number.isFinite(top) ? h("p", { class: "plot none" }, "No figures yet") : h("div", { class: "plot", opaque: true, role: "img", "aria-label": `${title}: a chart of the last hour`, ref: (el) => charts.set(id, new Chart(el, spec)) }));
}

// restyle draws all charts anew, in the colours of the theme.
export function restyle() {
  for (const one of charts.values()) one.build();
}

class Chart {
  constructor(el, spec) {
    this.el = el;
    this.spec = spec;
    this.size = new ResizeObserver(() => this.fit());
    this.size.observe(el);
    this.build();
  }

  build() {
    this.plot?.destroy();
    this.plot = null;
    if (!this.el.isConnected) {
      this.size.disconnect();
      if (charts.get(this.spec.id) === this) charts.delete(this.spec.id);
      return;
    }
    const style = getComputedStyle(this.el);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: colour("--ink-soft"), font: `12px ${style.fontFamily}`, ticks: { show: false },
      grid: { stroke: colour("--line"), width: 1 },
    };
    this.plot = new uPlot({
      width: Math.max(120, this.el.clientWidth), height,
      padding: [8, 4, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { size: 6 } },
      scales: {
        // Young nodes have few figures; minutes that nobody saw are drawn empty.
        x: { range: (_, from, to) => [Math.min(from ?? 0, (to ?? 0) - shortest), to ?? 0] },
        y: { range: (_, low, high) => [0, Math.max(high * 1.1, 1)] },
      },
      axes: [
        { ...axis, grid: { show: false }, size: 24, space: 64, values: (_, list) => list.map(clock) },
        { ...axis, size: 64, space: 36, incrs: this.spec.steps, values: (_, list) => list.map((value) => this.spec.format(value)) },
      ],
      series: [{}, ...this.spec.lines.map(([, label], at) => ({
        label, stroke: colour(`--chart-${at + 1}`), width: 1.5, dash: at === 1 ? [6, 3] : [],
        fill: this.spec.lines.length === 1 ? colour("--chart-fill") : undefined, points: { show: false },
      }))],
      hooks: { setCursor: [(plot) => this.point(plot)] },
    }, this.data(), this.el);
    this.tip = this.el.appendChild(document.createElement("div"));
    this.tip.className = "tip";
    this.tip.hidden = true;
  }

  data() {
    return [this.spec.at.map((at) => at / 1000), ...this.spec.values];
  }

  show(spec) {
    const shape = this.spec.lines.length === spec.lines.length;
    this.spec = spec;
    if (!this.el.isConnected || !shape || !this.plot) this.build();
    else this.plot.setData(this.data());
  }

  fit() {
    if (this.plot && this.el.clientWidth > 0 && this.el.clientWidth !== this.plot.width) this.plot.setSize({ width: this.el.clientWidth, height });
  }

  // point tells the values under the pointer.
  point(plot) {
    const at = plot.cursor.idx;
    const seen = plot.cursor.left >= 0 && at !== null && at !== undefined;
    this.tip.hidden = !seen;
    if (!seen) return;
    this.tip.textContent = [new Date(this.spec.at[at]).toLocaleTimeString(),
      ...this.spec.lines.map(([, label], line) => `${label} ${this.spec.format(this.spec.values[line][at])}`)].join(" · ");
  }
}

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
