"""The page: one HTML file that shows runs and connects to no server.

Names come from files that anybody may have written. What cannot be seen in them, or acts, is shown
by its code, here and in downloads. The template escapes all that it writes, what
scripts read is packed or escaped JSON, scripts write by `textContent`, and the policy of the page
forbids every connection and every script but the two that are here.
"""

from __future__ import annotations

import gzip
import json
import os
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from influence.display.images import HELPED, HURT
from influence.display.notation import display_of, gain_heading, omega_unit, value_unit
from influence.display.report.cards import Cards, read_cards
from influence.display.report.charts import (
    CHARTS,
    COLOURED_AT_MOST,
    Chart,
    envelopes,
    ink_scale,
    network_scale,
)
from influence.display.report.provenance import read_origins
from influence.display.report.sheets import COLUMN_WORDS, Sheet, packed_columns, read_sheets
from influence.display.report.summary import Amount, summarise
from influence.errors import InfluenceError, unknown, visible
from influence.results.selection import headline, nothing_muted
from influence.results.tables import read_tables
from influence.runtime.files import replace_on_success

__all__ = [
    "content_hash",
    "make_page",
    "pack_json",
    "pack_text",
    "write_page",
]


SCRIPTS = ("packets.js", "numbers.js", "tables.js", "charts.js", "gallery.js", "page.js")

POLICY = "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'"

SUFFIXES = (".html", ".htm")

Runs = Sequence[str | os.PathLike[str]]


def write_page(
    runs: Runs, path: str | os.PathLike[str], *, title: str | None = None, gallery: bool = True
) -> None:
    """Write the page of runs to a file, whole or not at all.

    Parameters
    ----------
    runs, title, gallery
        Those of `make_page`.
    path
        The page, which ends in ``.html``. An earlier page of that name is replaced.

    Raises
    ------
    InfluenceError
        If a file of a run cannot be read as `make_page` says, the page cannot be written, or
        `path` does not end in ``.html``: it might be a table of a run.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from influence.results.tables import INFLUENCE_COLUMNS
    >>> folder = Path(tempfile.mkdtemp())
    >>> row = dict.fromkeys(INFLUENCE_COLUMNS, 0) | {"network": "a", "n": 9, "confidence": 0.95,
    ...     "higher_is_better": True, "metric": "mean_iou", "mute": "zero", "level": "all",
    ...     "source": "x", "target": "y"}
    >>> pd.DataFrame([row]).to_csv(folder / "influence.csv", index=False)
    >>> write_page([folder], folder / "page.html", title="A & B")
    >>> "<title>A &amp; B</title>" in (folder / "page.html").read_text()
    True
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        raise InfluenceError(f"expected a page that ends in .html, got {os.fspath(path)!r}")
    page = make_page(runs, title=title, gallery=gallery)
    with replace_on_success(path) as aside:
        # Names of folders and texts of JSON may hold what is no letter: half of a surrogate pair.
        aside.write_text(page, encoding="utf-8", errors="backslashreplace", newline="\n")


def make_page(runs: Runs, *, title: str | None = None, gallery: bool = True) -> str:
    """Return the page of runs as HTML; the same files give the same text.

    Parameters
    ----------
    runs
        Directories with `influence.csv`; `performance.csv`, `interactions.csv`, `distance.csv`,
        `run.json` and `gallery/` are shown if a directory has them.
    title
        The heading of the page; by default it names the data sets.
    gallery
        Whether the samples of galleries are shown.

    Raises
    ------
    InfluenceError
        If a table lacks columns or holds other types, or names a metric that neither the
        influence nor the performance has.
    """
    influence, performance, distance = (
        visible_names(read_tables(runs, name, optional=name != "influence"))
        for name in ("influence", "performance", "distance")
    )
    sheets = [replace(sheet, texts=visible_names(sheet.texts)) for sheet in read_sheets(runs)]
    cards = _visible_cards(read_cards(runs)) if gallery else Cards()
    style, script = _asset("page.css"), "\n".join(map(_asset, SCRIPTS))
    plotting = _asset("vega.min.js")
    return _template().render(
        title=title or f"Influence: {', '.join(influence['dataset'].dropna().unique())}",
        policy=f"{POLICY}; style-src {content_hash(style)}; "
        f"script-src {content_hash(script)} {content_hash(plotting)}",
        style=Markup(style),
        script=Markup(script),
        plotting=Markup(pack_text(plotting)),
        summary=summarise(influence, performance, distance),
        sheets=sheets,
        packed={sheet.name: Markup(pack_json(packed_columns(sheet.texts))) for sheet in sheets},
        charts=_charts(influence),
        choices=_choices(influence),
        gallery=cards,
        cards=Markup(pack_json({"cards": cards.cards, "images": cards.images})),
        origins=read_origins(runs),
        facts=_facts(influence, performance, sheets, cards),
    )


def visible_names(frame: pd.DataFrame) -> pd.DataFrame:
    r"""Make the texts of a frame visible, in the page and in what is downloaded from it.

    >>> visible_names(pd.DataFrame({"network": ["a\x1b"], "n": [3]})).values.tolist()
    [['a\\x1b', 3]]
    """
    texts = frame.select_dtypes(exclude=["number", "bool"]).columns
    shown = {name: {text: visible(text) for text in frame[name].unique()} for name in texts}
    return frame.assign(**{name: frame[name].map(known) for name, known in shown.items()})


def _visible_cards(cards: Cards) -> Cards:
    return Cards(_visible_parts(cards.groups), _visible_parts(cards.cards), cards.images)


def _visible_parts(content: Any) -> Any:
    if isinstance(content, dict):
        return {_visible_parts(key): _visible_parts(value) for key, value in content.items()}
    if isinstance(content, list):
        return list(map(_visible_parts, content))
    return visible(content) if isinstance(content, str) else content


def _charts(influence: pd.DataFrame) -> list[Chart]:
    """Return the charts that have rows to draw."""
    parts = (influence["level"] != "all").any()
    return [chart for chart in CHARTS if parts or chart.name != "levels"]


def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("influence.display.report"),
        autoescape=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "labelled": lambda metric: display_of(metric).label,
        "heading": lambda key: COLUMN_WORDS.get(key, key),
        "zip_same": lambda names: [(name, name) for name in names],
        "zip_labels": lambda names: [(name, display_of(name).label) for name in names],
    }
    environment.tests["amount"] = lambda part: isinstance(part, Amount)
    return environment.get_template("page.html.j2")


def _asset(name: str) -> str:
    """Return the text of a script or style, with the line ends of which its hash is made."""
    text = (files("influence.display.report") / "assets" / name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")


def _choices(influence: pd.DataFrame) -> dict[str, Any]:
    """Return the choices for the plots: mutes, networks, and the metrics of each output.

    If there are many networks, plots with a row per network start with the first.
    """
    networks = list(influence["network"].unique())
    preferred = headline(influence).groupby("target", sort=False)["metric"].first()
    return {
        "mutes": list(influence["mute"].unique()),
        "networks": networks,
        "network": networks[0] if len(networks) > COLOURED_AT_MOST else "",
        "metrics": [
            {"target": target, "names": list(rows["metric"].unique()), "first": preferred[target]}
            for target, rows in influence.groupby("target", sort=False)
        ],
    }


def _facts(
    influence: pd.DataFrame, performance: pd.DataFrame, sheets: Sequence[Sheet], cards: Cards
) -> dict[str, Any]:
    """Return the facts that the scripts of the page read."""
    tables = [
        {
            "name": sheet.name,
            "start": sheet.start,
            "columns": [vars(column) | {"heading": column.heading} for column in sheet.columns],
        }
        for sheet in sheets
    ]
    full = nothing_muted(performance) if len(performance) else performance
    metrics = _metrics(influence, performance)
    named = {group["metric"] for group in cards.groups}
    named |= {name for sheet in sheets for name in sheet.texts.get("metric", ())}
    for name in sorted(named - metrics.keys()):
        raise unknown("metric", name, metrics)
    return {
        "metrics": metrics,
        "tables": tables,
        "charts": [vars(chart) for chart in _charts(influence)],
        "envelopes": envelopes(influence),
        "networks": network_scale(influence["network"]),
        "mutes": ink_scale(influence["mute"]),
        "fullSetups": dict(zip(full["network"], full["setup"], strict=True)) if len(full) else {},
        "colours": {"help": HELPED, "hurt": HURT},
        "groups": cards.groups,
    }


def _metrics(influence: pd.DataFrame, performance: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return how the numbers of each metric are shown, by metric."""
    columns = ["metric", "higher_is_better", "unit"]
    frames = [frame[columns] for frame in (influence, performance) if len(frame)]
    known = pd.concat(frames).drop_duplicates("metric").assign(level="all")
    return {str(row.metric): _metric(row) for row in known.itertuples(index=False)}


def _metric(row: Any) -> dict[str, Any]:
    display = display_of(row.metric)
    return {
        "label": display.label,
        "definition": display.definition,
        "sign": 1 if row.higher_is_better else -1,
        "value": {"factor": display.factor, "digits": display.digits, "unit": value_unit(row)},
        "gain": {"factor": display.gain, "digits": display.gain_digits, "unit": omega_unit(row)},
        "heading": gain_heading(row),
    }


def pack_text(text: str) -> str:
    """Compress a text by gzip and base64; equal texts give equal packets.

    >>> pack_text("omega" * 1000) == pack_text("omega" * 1000), len(pack_text("omega" * 1000)) < 100
    (True, True)
    """
    return b64encode(gzip.compress(text.encode("utf-8"), 9, mtime=0)).decode("ascii")


def pack_json(content: Any) -> str:
    """Write as JSON, and compress; see `pack_text`.

    Raises
    ------
    ValueError
        If there is a NaN, which JSON has no form for.

    Examples
    --------
    >>> from base64 import b64decode
    >>> gzip.decompress(b64decode(pack_json({"a": "</script>"})))
    b'{"a":"</script>"}'
    """
    return pack_text(json.dumps(content, separators=(",", ":"), allow_nan=False))


def content_hash(text: str) -> str:
    """Return the hash by which a Content-Security-Policy allows a script or style (CSP 3, 2.3.1).

    >>> content_hash("")
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    return f"'sha256-{b64encode(sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
