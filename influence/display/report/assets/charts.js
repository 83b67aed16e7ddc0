// Charts: the specifications of influence/display/report/charts.py, filled with rows of the tables.
const SYMBOLS = {
  "circle": "M6 1a5 5 0 1 0 .01 0z",
  "square": "M1.5 1.5h9v9h-9z",
  "diamond": "M6 0l4.5 6L6 12 1.5 6z",
  "triangle-up": "M6 1l5.5 10H.5z",
  "triangle-down": "M.5 1h11L6 11z",
  "cross": "M4 0h4v4h4v4H8v4H4V8H0V4h4z",
};
const DIRECTION = ["network", "seed", "dataset", "source", "target", "metric", "level"];

// Vega-Lite warns that rows of a given height do not stretch, which is meant.
const SILENT = { level: () => SILENT, error: () => SILENT, warn: () => SILENT, info: () => SILENT, debug: () => SILENT };

let library = null;

// The plotting library is a script like this page's own, allowed by its hash, run when first needed.
function plotting() {
  library ??= unpack("plotting").then((text) => {
    document.head.append(element("script", {}, text));
    return vegaPage;
  });
  return library;
}

function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// Replace the strings of a specification that start with a dollar sign by values.
function filled(spec, values) {
  if (typeof spec === "string") return spec.startsWith("$") ? values[spec.slice(1)] : spec;
  if (Array.isArray(spec)) return spec.map((part) => filled(part, values));
  if (spec === null || typeof spec !== "object") return spec;
  return Object.fromEntries(Object.entries(spec).map(([key, part]) => [key, filled(part, values)]));
}

// The colour and the shape of a name; more names than colours share one of each.
function inked(name, scale) {
  const index = scale?.names.indexOf(name) ?? -1;
  return index < 0 ? { colour: FACTS.colours.help, shape: "circle" } :
    { colour: scale.colours[index], shape: scale.shapes[index] };
}

// Everything about the rows that all charts share: what they are called, and what is known beside.
class Rows {
  static async read() {
    const rows = new Rows();
    const [influence, performance, distance, verdicts] = await Promise.all(
      ["influence", "performance", "distance", "verdicts"].map(frame));
    const key = (columns, names, row) => JSON.stringify(names.map((name) => columns[name][row]));
    rows.columns = influence.columns;
    rows.length = influence.length;
    rows.seeds = rows.several("seed");
    rows.datasets = rows.several("dataset");
    const scored = DIRECTION.filter((name) => name !== "source");
    rows.ends = new Map();
    for (let row = 0; row < performance.length; row++) {
      const { network, setup, low, high } = performance.columns;
      if (FACTS.fullSetups[network[row]] === setup[row]) {
        rows.ends.set(key(performance.columns, scored, row), [low[row], high[row]]);
      }
    }
    rows.far = new Set();
    for (let row = 0; row < distance.length; row++) {
      if (distance.columns.warning[row] === "True") {
        rows.far.add(key(distance.columns, ["network", "seed", "dataset", "mute", "source"], row));
      }
    }
    rows.verdicts = new Map();
    for (let row = 0; row < verdicts.length; row++) {
      rows.verdicts.set(key(verdicts.columns, DIRECTION, row), verdicts.columns.verdict[row]);
    }
    rows.endsOf = (row) => rows.ends.get(key(rows.columns, scored, row)) ?? ["", ""];
    rows.isFar = (row) =>
      rows.far.has(key(rows.columns, ["network", "seed", "dataset", "mute", "source"], row));
    rows.verdictOf = (row) => rows.verdicts.get(key(rows.columns, DIRECTION, row)) ?? "";
    return rows;
  }

  // The networks of which a column holds several.
  several(column) {
    const found = new Map();
    this.columns.network.forEach((network, row) => {
      found.set(network, (found.get(network) ?? new Set()).add(this.columns[column][row]));
    });
    return new Set([...found.keys()].filter((network) => found.get(network).size > 1));
  }

  choose(keep) {
    const at = (row) => (key) => this.columns[key][row];
    const rows = Array.from({ length: this.length }, (_, row) => row);
    return rows.filter((row) => keep(at(row))).map((row) => this.point(row, at(row)));
  }

  point(row, at) {
    const network = at("network");
    const metric = FACTS.metrics[at("metric")];
    const finite = (value) => (Number.isFinite(value) ? value : null);
    const gain = (text) => finite(number(text) * metric.gain.factor);
    const oriented = (text) => finite(number(text) * metric.gain.factor * metric.sign);
    const shown = (key) => scaled(at(key), at("metric"), "gain");
    const [low, high] = this.endsOf(row);
    const interval = withInterval(shown("omega"), shown("omega_low"), shown("omega_high"));
    const far = this.isFar(row);
    const [ofNetwork, ofMute] = [inked(network, FACTS.networks), inked(at("mute"), FACTS.mutes)];
    const name = network + (this.seeds.has(network) ? ` #${at("seed")}` : "") +
      (this.datasets.has(network) ? ` on ${at("dataset")}` : "");
    const omegaText = withUnit(interval, metric.gain.unit);
    return {
      network, source: at("source"), target: at("target"), metric: at("metric"),
      dataset: at("dataset"), mute: at("mute"), level: at("level"), far, name,
      verdict: this.verdictOf(row), axis: tame(at("source")),
      said: `${name}: influence of ${at("source")} on ${at("target")}, ${metric.label}, ` +
        `mute ${at("mute")}, level ${at("level")}: ${omegaText}`,
      x: gain(at("omega")), xLow: gain(at("omega_low")), xHigh: gain(at("omega_high")),
      y: oriented(at("full")), yLow: oriented(low), yHigh: oriented(high),
      networkColour: ofNetwork.colour, networkShape: ofNetwork.shape,
      muteColour: ofMute.colour, muteShape: ofMute.shape,
      short: shown("omega"),
      omegaText,
      fullText: withUnit(scaled(at("full"), at("metric"), "value"), metric.value.unit),
      farText: far ? "far from the data" : "like the data, or not measured",
    };
  }
}

// A name that objects of JavaScript know, such as __proto__, would be taken for what they know.
function tame(name) {
  return name in {} ? `\u200b${name}` : name;
}

class Chart {
  constructor(root, choices) {
    this.root = root;
    this.facts = FACTS.charts.find((chart) => chart.name === root.dataset.chart);
    this.choices = choices;
    this.views = [];
    this.drawn = false;
  }

  // The rows of this chart: what the reader chose, as far as the chart does not show it all.
  keep(at) {
    const { name } = this.facts;
    const choices = Object.fromEntries(new FormData(this.choices));
    const across = name === "matrix" || !Chart.anyAcross || at("source") !== at("target");
    return across && at("metric") === choices[`metric:${at("target")}`] &&
      (name === "mutes" || at("mute") === choices.mute) &&
      (name === "performance" || name === "matrix" || [at("network"), ""].includes(choices.network)) &&
      (at("level") === "all") === (name !== "levels");
  }

  async draw() {
    this.drawn = true;
    const [rows, vega] = await Promise.all([Chart.rows, plotting()]);
    const panels = new Map();
    for (const point of rows.choose((at) => this.keep(at))) {
      const title = this.facts.panels === "target" ? point.target : `${point.source} → ${point.target}`;
      panels.set(title, [...(panels.get(title) ?? []), point]);
    }
    this.views.forEach((view) => view.finalize());
    const room = this.root.querySelector(".panels");
    const slots = [...panels.keys()].map(() => element("div", { class: "plot" }));
    room.replaceChildren(...[...panels.keys()].map((title, i) =>
      element("div", { class: "panel" }, element("h4", {}, title), slots[i])));
    this.views = [...panels].flatMap(([title, points], i) => this.attempt(vega, slots[i], title, points));
    this.legend();
    if (!panels.size) room.append(element("p", {}, "These runs have no such rows."));
    await Promise.all(this.views.map((view) => view.runAsync()));
  }

  // One panel that cannot be drawn leaves the others.
  attempt(vega, slot, title, points) {
    try {
      return this.panel(vega, slot, title, points);
    } catch (error) {
      slot.replaceChildren(element("p", { class: "notice" }, `This plot cannot be drawn: ${error.message}`));
      return [];
    }
  }

  panel(vega, slot, title, points) {
    const spec = { ...filled(this.facts.spec, this.values(points)), width: Math.max(slot.clientWidth, 200) };
    spec.autosize = { type: "fit-x", contains: "padding" };
    spec.description = `${this.facts.title} ${title}. The same numbers are in ` +
      "the table of influences below.";
    spec.datasets = { points: this.legible(points), envelope: this.envelope(points) };
    const compiled = vega.compile(spec, { config: look(spec.width), logger: SILENT }).spec;
    // The interpreter evaluates expressions without eval, which the page's policy forbids.
    const view = new vega.View(vega.parse(compiled, null, { ast: true }), {
      expr: vega.expressionInterpreter, renderer: "svg", container: slot, hover: true,
    });
    // A finger points by a tap, and is gone before the values could be read.
    view.addEventListener("click", (event, item) => hover(event, item?.tooltip));
    return view.tooltip((_, event, item, value) => event?.pointerType === "touch" || hover(event, value));
  }

  values(points) {
    const { source, target, metric } = points[0];
    const { heading, gain } = FACTS.metrics[metric];
    const most = Math.max(...points.map((point) => Math.abs(point.x ?? 0))) || 1;
    const lines = new Set(points.map((p) => (this.facts.name === "mutes" ? p.mute : p.name))).size;
    return {
      x: [`ω(${source} → ${target})`, gain.unit].filter(Boolean).join(", "), y: tame(heading),
      angle: new Set(points.map((point) => point.source)).size > 3 ? -30 : 0,
      neutral: ink("neutral"), surface: ink("surface"), ink: ink("ink"),
      help: ink("help-fill"), hurt: ink("hurt-fill"), "surface-strong": ink("band"),
      constant: most / 30, domain: [-most, 0, most], "rows-height": { for: "position", step: 8 * lines + 12 },
    };
  }

  // Many narrow columns have no room for numbers, which stay a pointer away.
  legible(points) {
    const crowded = new Set(points.map((point) => point.source)).size > 5;
    return crowded ? points.map((point) => ({ ...point, short: "" })) : points;
  }

  envelope([{ source, target, metric, mute }]) {
    return FACTS.envelopes.filter((known) => known.source === source && known.target === target &&
      known.metric === metric && known.mute === mute)
      .flatMap(({ dataset, points }) => points.map((point) => ({ ...point, dataset })));
  }

  legend() {
    const scale = { performance: FACTS.networks, levels: FACTS.networks, mutes: FACTS.mutes };
    const { names = [], colours, shapes } = scale[this.facts.name] ?? {};
    this.root.querySelector(".legend").replaceChildren(...names.map((name, i) =>
      element("li", {}, symbol(shapes[i], colours[i]), name)));
  }
}

function symbol(shape, colour) {
  const made = (tag) => document.createElementNS("http://www.w3.org/2000/svg", tag);
  const [drawing, path] = [made("svg"), made("path")];
  for (const [key, value] of Object.entries({ viewBox: "0 0 12 12", width: 12, height: 12, "aria-hidden": true })) {
    drawing.setAttribute(key, value);
  }
  path.setAttribute("d", SYMBOLS[shape]);
  path.setAttribute("fill", colour);
  drawing.append(path);
  return drawing;
}

// The theme of the page, for the plotting library.
function look(width) {
  const words = { titleLimit: width - 20, labelColor: ink("soft"), titleColor: ink("ink"), labelFontSize: 12, titleFontSize: 12,
    titleFontWeight: "normal", labelLimit: Math.min(220, width / 2) };
  return {
    background: null, font: getComputedStyle(document.body).fontFamily,
    axis: { ...words, gridColor: ink("line"), domainColor: ink("line"), tickColor: ink("line"),
      titlePadding: 10, labelPadding: 6, labelOverlap: "parity", labelSeparation: 6 },
    view: { stroke: null },
  };
}

// Show the values of the mark that the pointer is on, beside it.
function hover(event, value) {
  const box = document.getElementById("hover");
  box.hidden = !value;
  if (!value) return;
  box.replaceChildren(element("dl", {}, ...Object.entries(value).flatMap(([title, text]) =>
    [element("dt", {}, title), element("dd", {}, String(text))])));
  const { width, height } = box.getBoundingClientRect();
  box.style.left = `${Math.max(8, Math.min(event.clientX + 14, innerWidth - width - 8))}px`;
  box.style.top = `${Math.max(8, Math.min(event.clientY + 14, innerHeight - height - 8))}px`;
}
