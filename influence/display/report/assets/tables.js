// Tables: filtered, sorted, shown a page at a time, and downloaded whole.
const ROWS_A_PAGE = 25;
const NUMERIC = new Set(["value", "gain", "p", "number"]);
const collator = new Intl.Collator("en", { numeric: true });

class Sheet {
  constructor(root) {
    this.root = root;
    this.facts = FACTS.tables.find((table) => table.name === root.dataset.sheet);
    this.form = root.querySelector("form");
    this.sorting = null;
    this.page = 0;
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("input", () => this.find());
    this.form.addEventListener("reset", (event) => {
      event.preventDefault();
      for (const field of this.form.elements) field.value = "";
      this.find();
    });
    root.querySelectorAll("th button").forEach((button, index) =>
      button.addEventListener("click", () => this.sort(index)));
    root.querySelectorAll("[data-step]").forEach((button) =>
      button.addEventListener("click", () => this.turn(Number(button.dataset.step))));
    root.querySelectorAll("[data-rows]").forEach((button) =>
      button.addEventListener("click", () => this.download(button.dataset.rows)));
  }

  async fill() {
    this.frame = await frame(this.facts.name);
    this.all = Array.from({ length: this.frame.length }, (_, row) => row);
    this.find();
  }

  text(column, row) {
    return shownCell(column, (key) => this.frame.columns[key][row]);
  }

  // Keep the rows that every filter lets through, in the order of the file or of the sorting.
  find() {
    const { text, ...chosen } = Object.fromEntries(new FormData(this.form));
    const wanted = Object.entries(chosen).filter(([, name]) => name !== "");
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    this.found = this.all.filter((row) =>
      wanted.every(([key, name]) => this.frame.columns[key][row] === name) &&
      this.says(row, words));
    this.page = 0;
    this.arrange();
  }

  says(row, words) {
    if (!words.length) return true;
    const shown = this.facts.columns.map((column) => this.text(column, row));
    const said = [...shown, this.frame.columns.metric?.[row]].join("\n").toLowerCase();
    // A minus is shown as such, and typed as a hyphen.
    return words.every((word) => said.includes(word.replace(/^-(?=[\d.])/, "−")));
  }

  sort(index) {
    const down = this.sorting?.index === index && !this.sorting.down;
    this.sorting = { index, down };
    this.page = 0;
    this.root.querySelectorAll("th").forEach((heading, other) => heading.setAttribute(
      "aria-sort", other !== index ? "none" : down ? "descending" : "ascending"));
    this.arrange();
  }

  arrange() {
    this.found.sort((a, b) => a - b);
    if (this.sorting) {
      const column = this.facts.columns[this.sorting.index];
      const keys = new Map(this.found.map((row) => [row, this.key(column, row)]));
      const sign = this.sorting.down ? -1 : 1;
      this.found.sort((a, b) => compare(keys.get(a), keys.get(b), sign) || a - b);
    }
    this.show();
  }

  key(column, row) {
    if (!NUMERIC.has(column.kind)) return this.text(column, row);
    const text = this.frame.columns[column.key][row];
    return number(text) * this.factor(column, row);
  }

  factor(column, row) {
    const metric = FACTS.metrics[this.frame.columns.metric?.[row]];
    return metric?.[column.kind]?.factor ?? 1;
  }

  turn(step) {
    const page = this.page + step;
    if (page < 0 || page * ROWS_A_PAGE >= this.found.length) return;
    this.page = page;
    this.show();
  }

  show() {
    const first = this.page * ROWS_A_PAGE;
    const rows = this.found.slice(first, first + ROWS_A_PAGE);
    this.root.querySelector("tbody").replaceChildren(...rows.map((row) => this.line(row)));
    const count = (number) => number.toLocaleString("en");
    const range = rows.length ? `Rows ${count(first + 1)} to ${count(first + rows.length)} of ` : "";
    this.root.querySelector(".status").textContent =
      `${range}${count(this.found.length)} found, of ${count(this.all.length)} in this table.`;
    const [back, on] = this.root.querySelectorAll("[data-step]");
    // Not by `disabled`, which would take the keyboard's focus away on the last page.
    back.setAttribute("aria-disabled", this.page === 0);
    on.setAttribute("aria-disabled", first + ROWS_A_PAGE >= this.found.length);
  }

  line(row) {
    return element("tr", {}, ...this.facts.columns.map((column, index) => {
      const properties = index ? { "data-kind": column.kind } : { scope: "row" };
      return element(index ? "td" : "th", properties, this.text(column, row));
    }));
  }

  download(which) {
    const rows = which === "all" ? this.all : [...this.found].sort((a, b) => a - b);
    const columns = Object.values(this.frame.columns);
    const lines = [Object.keys(this.frame.columns), ...rows.map((row) => columns.map((c) => c[row]))];
    const guard = this.root.querySelector("[name=guard]").checked ? guarded : (cell) => cell;
    const text = lines.map((cells) => `${cells.map(guard).map(quoted).join(",")}\n`).join("");
    const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    const link = element("a", { href: address, download: `${this.facts.name}.csv` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }

  // Open the table with these filters and no other.
  look(filters) {
    this.root.open = true;
    for (const field of this.form.elements) field.value = filters[field.name] ?? "";
    if (this.frame) this.find();
    // After the link, which takes the focus to the page.
    setTimeout(() => this.root.querySelector("summary").focus({ preventScroll: true }));
  }
}

// Missing numbers come last, whichever way the others are sorted.
function compare(a, b, sign) {
  if (typeof a === "string") return sign * collator.compare(a, b);
  return Number.isNaN(a) - Number.isNaN(b) || sign * (a - b) || 0;
}

// A text that a spreadsheet would run as a formula gets an apostrophe; numbers stay as they are. As in
// influence/runtime/text.py.
function guarded(cell) {
  const number = /^([+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|nan))$/;
  return /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(cell) && !number.test(cell) ? `'${cell}` : cell;
}

function quoted(cell) {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
