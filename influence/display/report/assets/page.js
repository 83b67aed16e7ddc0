// The page: what is filled when it comes near, and the choice of colours.
const sheets = new Map([...document.querySelectorAll(".sheet")].map((root) => {
  const sheet = new Sheet(root);
  let filled = false;
  const fill = () => {
    if (root.open && !filled) sheet.fill();
    filled ||= root.open;
  };
  root.addEventListener("toggle", fill);
  whenNear(root, fill);
  return [root.dataset.sheet, sheet];
}));

const choices = document.getElementById("choices");
const charts = [...document.querySelectorAll("figure.chart")].map((root) => new Chart(root, choices));

function redraw() {
  for (const chart of charts) if (chart.drawn) chart.draw();
}

function startCharts() {
  Chart.rows ??= Rows.read().then((rows) => {
    const { source, target } = rows.columns;
    Chart.anyAcross = source.some((name, row) => name !== target[row]);
    return rows;
  });
}

for (const chart of charts) {
  whenNear(chart.root, () => {
    startCharts();
    chart.draw();
  });
}
choices.addEventListener("submit", (event) => event.preventDefault());
choices.addEventListener("input", redraw);

let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === width) return;
  width = innerWidth;
  redraw();
});

// A link from a chart to the table opens it with the rows of the chart.
for (const link of document.querySelectorAll("a[href='#sheet-influence']")) {
  link.addEventListener("click", () => {
    const { mute, network } = Object.fromEntries(new FormData(choices));
    const filters = { performance: { mute, level: "all" }, matrix: { mute, level: "all" },
      mutes: { network, level: "all" }, levels: { mute, network } };
    sheets.get("influence").look(filters[link.dataset.chart] ?? { level: "all" });
  });
}

const samples = document.getElementById("gallery");
const gallery = samples && new Gallery(samples);
if (gallery) whenNear(samples, () => gallery.fill());

// On paper everything is there: what is drawn when it comes near is drawn now.
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
  startCharts();
  for (const chart of charts) if (!chart.drawn) chart.draw();
  gallery?.fill();
});

addEventListener("keydown", (event) => event.key === "Escape" && hover(event, null));
addEventListener("scroll", (event) => hover(event, null), { passive: true });
addEventListener("click", (event) => event.target.closest(".plot") || hover(event, null));

const theme = document.getElementById("theme");
const dark = matchMedia("(prefers-color-scheme: dark)");

function isDark() {
  return (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
}

function nameTheme() {
  theme.textContent = isDark() ? "Light colours" : "Dark colours";
  redraw();
}

theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
});
dark.addEventListener("change", nameTheme);
nameTheme();
