// A number of a file, which Python writes; an empty cell is none.
function number(text) {
  return text === "" ? NaN : Number(text.replace("inf", "Infinity"));
}

// How numbers are shown; the files hold natural units (influence/display/notation.py).
function fixed(value, digits, signed = false) {
  const text = value.toFixed(digits).replace("Infinity", "∞");
  return (signed && !text.startsWith("-") ? `+${text}` : text).replace("-", "−");
}

// A number of a file in the unit of its metric; `how` is "value" or "gain".
function scaled(text, metric, how) {
  const { factor, digits } = FACTS.metrics[metric][how];
  return text === "" ? "–" : fixed(number(text) * factor, digits, how === "gain");
}

function withInterval(shown, low, high) {
  return low === "–" ? shown : `${shown} [${low}, ${high}]`;
}

function withUnit(shown, unit) {
  return unit === "%" ? `${shown}%` : `${shown} ${unit}`.trim();
}

function probability(text) {
  if (text === "") return "–";
  return number(text) < 0.001 ? "< 0.001" : fixed(number(text), 3);
}

// The text of a cell of a table; `at` gives the texts of its row by column.
function shownCell(column, at) {
  if (column.kind === "unit") return FACTS.metrics[at("metric")][column.of].unit;
  const text = at(column.key);
  switch (column.kind) {
    case "metric": return FACTS.metrics[text].label;
    case "p": return probability(text);
    case "flag": return text === "True" ? "yes" : "";
    case "number": return text === "" ? "–" : fixed(number(text) * column.factor, column.digits);
    case "value":
    case "gain": {
      const [shown, ...ends] = [column.key, ...(column.ends ?? [])]
        .map((key) => scaled(at(key), at("metric"), column.kind));
      return column.ends ? withInterval(shown, ...ends) : shown;
    }
    default: return text;
  }
}
