"""Figures of bench.py as a table, as pictures, and as the tables of docs/speed.md.

    python benchmarks/read_report.py FIGURES.json [docs/speed.md]

writes the tables between the marks `<!-- figures -->` of the document, and the pictures beside it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

BEGIN, END = "<!-- figures: written by benchmarks/read_report.py -->", "<!-- end of figures -->"

# (case, metric): must hold, wanted. `direct_*` with two threads.
BOUNDS = {
    ("agipd", "filter_vs_stored"): (1.0, 1.5),
    ("jungfrau", "filter_vs_stored"): (1.3, 1.8),
    ("ccd", "filter_vs_stored"): (1.2, 1.6),
    ("jungfrau-bitshuffle", "filter_vs_stored_bitshuffle"): (1.5, 2.5),
    ("agipd", "direct_vs_stored"): (2.2, 3),
    ("jungfrau", "direct_vs_stored"): (3.2, 4),
    ("ccd", "direct_vs_stored"): (1.8, 2.3),
    ("agipd", "direct_vs_memcpy"): (0.45, 0.6),
    ("jungfrau", "direct_vs_memcpy"): (0.75, 0.9),
    ("ccd", "direct_vs_memcpy"): (0.8, 0.95),
    ("agipd", "direct_vs_roofline"): (0.7, 0.9),
    ("jungfrau", "direct_vs_roofline"): (0.65, 0.8),
    ("ccd", "direct_vs_roofline"): (0.7, 0.85),
    ("agipd", "direct_vs_numba"): (2, None),
    ("jungfrau", "direct_vs_numba"): (2, None),
    ("ccd", "direct_vs_numba"): (1.5, None),
    ("jungfrau", "direct_vs_aare"): (5, None),
    ("agipd", "filter_vs_numpy"): (4, None),
    ("jungfrau-bitshuffle", "direct_vs_stored_bitshuffle"): (2.5, 4),
    ("jungfrau-bitshuffle", "direct_vs_decode"): (0.45, 0.8),
    ("agipd", "first_frame_vs_stored"): (2, 1.2),
    ("agipd", "first_frame_vs_stored_cold"): (3, None),
    ("scaling", "create_us_per_frame"): (1, 0.2),
    ("scaling", "stub_bytes_per_chunk"): (40, None),
    ("scaling-single", "stub_bytes_per_chunk"): (40, None),
    **{
        (case, f"{what}_growth"): (1.2, None)
        for case in ("scaling", "scaling-single")
        for what in ("create", "open", "random")
    },
    ("jungfrau", "cold_vs_stored"): (1.4, 1.8),
    ("ccd", "cold_vs_stored"): (1.5, 1.9),
    ("agipd", "cold_vs_stored"): (0.9, 1.2),
}
LESS_IS_BETTER = ("first_frame", "create_", "stub_", "open_", "random_", "peak_")


def kept(row: dict) -> bool | None:
    """Whether a figure keeps its bound; None where there is none."""
    bound = row.get("bound") or BOUNDS.get((row["case"], row["metric"]), (None,))[0]
    if bound is None:
        return None
    return row["value"] <= bound if row["metric"].startswith(LESS_IS_BETTER) else (
        row["value"] >= bound
    )  # fmt: skip


def number(value: float, unit: str = "") -> str:
    if unit == "bytes" and value > 1e4:
        return f"{value / 1e6:.1f} MB"
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def bound_text(row: dict) -> str:
    least, wanted = BOUNDS.get((row["case"], row["metric"]), (row.get("bound"), None))
    if least is None:
        return ""
    sign = "<=" if row["metric"].startswith(LESS_IS_BETTER) else ">="
    return f"{sign} {number(least, row['unit'])}" + (f" ({wanted:g})" if wanted else "")


def show(rows: list[dict]) -> None:
    """The table for a terminal."""
    table = Table("case", "metric", "median", "range", "unit", "bound", "")
    for r in rows:
        if "least" not in r:
            continue
        state = {True: "kept", False: "[red]NOT", None: ""}[kept(r)]
        spread = f"{number(r['least'], r['unit'])} - {number(r['most'], r['unit'])}"
        cells = (r["case"], r["metric"], number(r["value"], r["unit"]), spread, r["unit"])
        table.add_row(*cells, bound_text(r), state)
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table)
    for r in rows:
        if "text" in r:
            console.print(r["text"], highlight=False)


# ---- the document --------------------------------------------------------------------------------


def tables(rows: list[dict]) -> str:
    """Markdown: ratios with their bounds, then the speeds behind them."""
    lines = ["; ".join(r["text"] for r in rows if "text" in r) + ".", ""]
    lines += ["| case | metric | median | range | must hold (wanted) |", "|---|---|---|---|---|"]
    hidden = ("speed_", "disk_", "frames", "minutes", "rounds")
    for r in rows:
        if "least" not in r or r["metric"].startswith(hidden):
            continue
        unit = "" if r["unit"].endswith("ratio") or r["unit"] == "bytes" else f" {r['unit']}"
        spread = f"{number(r['least'], r['unit'])} - {number(r['most'], r['unit'])}"
        bound = bound_text(r) + ("" if kept(r) is not False else " **missed**")
        value = number(r["value"], r["unit"])
        lines.append(f"| {r['case']} | `{r['metric']}` | {value}{unit} | {spread} | {bound} |")
    lines += ["", "Speeds in GB/s of float32 (`pread`: of raw bytes), medians:", ""]
    for case in dict.fromkeys(r["case"] for r in rows):
        speeds = [r for r in rows if r["case"] == case and r["metric"].startswith("speed_")]
        if speeds:
            texts = (f"{r['metric'][6:]} {number(r['value'])}" for r in speeds)
            lines.append(f"- {case}: {', '.join(texts)}")
    return "\n".join(lines)


def write_document(rows: list[dict], path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise SystemExit(f"{path} has no lines {BEGIN} and {END}")
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    path.write_text(f"{head}{BEGIN}\n\n{tables(rows)}\n\n{END}{tail}", encoding="utf-8")


# ---- pictures ------------------------------------------------------------------------------------


def canvas(columns: int):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt.subplots(
        1, columns, figsize=(3.6 * columns, 3.6), layout="constrained", squeeze=False
    )


SHOWN = {
    "filter_vs_stored": "filter / stored",
    "filter_vs_contiguous": "filter / contiguous",
    "filter_vs_stored_bitshuffle": "filter / stored bitshuffle",
    "filter_vs_stored_gzip": "filter / stored gzip",
    "filter_vs_numpy": "filter / NumPy",
    "direct_vs_stored": "read / stored",
    "direct_vs_stored_bitshuffle": "read / stored bitshuffle",
    "direct_vs_numba": "read / numba",
    "direct_vs_aare": "read / aare",
    "direct_vs_memcpy": "read / memcpy",
    "cold_vs_stored": "filter / stored, cold",
}


def plot_ratios(rows: list[dict], path: str | Path) -> None:
    """Bars of the ratios, a panel a case."""
    rows = [r for r in rows if r["metric"] in SHOWN]
    cases = [c for c in ("agipd", "jungfrau", "ccd", "jungfrau-bitshuffle")
             if any(r["case"] == c for r in rows)]  # fmt: skip
    if not cases:
        return
    figure, axes = canvas(len(cases))
    for axis, case in zip(axes[0], cases, strict=True):
        some = {r["metric"]: r for r in rows if r["case"] == case}
        some = [some[metric] for metric in SHOWN if metric in some]
        values = [r["value"] for r in some]
        spread = [[r["value"] - r["least"] for r in some], [r["most"] - r["value"] for r in some]]
        colours = ["tab:blue" if r["metric"][0] == "d" else "tab:orange" for r in some]
        axis.barh([SHOWN[r["metric"]] for r in some], values, xerr=spread, color=colours)
        axis.axvline(1, color="black", linewidth=0.8)
        axis.set(title=case, xscale="log", xlabel="ratio of throughput")
        axis.set_xticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
        axis.minorticks_off()
        axis.invert_yaxis()
    figure.savefig(path, dpi=70)


def plot_scaling(rows: list[dict], path: str | Path) -> None:
    """Costs over the number of frames."""
    rows = [r for r in rows if "frames" in r]
    if not rows:
        return
    kinds = {"create_us_per_frame": "create, per frame", "open_us": "open and read a frame",
             "random_us_per_frame": "random frame"}  # fmt: skip
    names = {"scaling": "512x128, default chunks", "scaling-single": "32x32, a chunk a frame"}
    figure, axes = canvas(len(kinds))
    for axis, (kind, title) in zip(axes[0], kinds.items(), strict=True):
        for case, label in names.items():
            some = [r for r in rows if r["case"] == case and r["metric"].startswith(kind)]
            axis.plot([r["frames"] for r in some], [r["value"] for r in some], "o-", label=label)
        axis.set(xscale="log", yscale="log", xlabel="frames in the dataset", title=title)
        low, high = axis.get_ylim()
        axis.set_ylim(low / 3, high * 3)
    axes[0][0].set_ylabel("microseconds")
    axes[0][0].legend(fontsize="small")
    figure.savefig(path, dpi=70)


def main(figures: str, document: str = "docs/speed.md") -> None:
    rows = json.loads(Path(figures).read_text())
    write_document(rows, Path(document))
    plot_ratios(rows, Path(document).with_name("speed.png"))
    plot_scaling(rows, Path(document).with_name("speed-scaling.png"))


if __name__ == "__main__":
    main(*sys.argv[1:])
