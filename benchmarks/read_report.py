"""Figures of bench.py as a table, as pictures, and as the tables of docs/speed.md.

    python benchmarks/read_report.py FIGURES.json ... [--document docs/speed.md]

writes the tables between the marks of the document, and the pictures beside it. With several files,
of a case each for example, a later one replaces figures of those before it.
"""

from __future__ import annotations

import argparse
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
    """Markdown: figures with a bound and their range, all other medians, speeds."""
    measured = [r for r in rows if "least" in r and r["case"] != "machine"]
    lines = ["; ".join(r["text"] for r in rows if "text" in r) + ".", ""]
    lines += ["| case | metric | median | range | must hold (wanted) |", "|---|---|---|---|---|"]
    for r in measured:
        if kept(r) is not None:
            spread = f"{number(r['least'], r['unit'])} - {number(r['most'], r['unit'])}"
            cells = (f"`{r['metric']}`", with_unit(r), spread)
            missed = "" if kept(r) else " **missed**"
            lines.append(f"| {r['case']} | {' | '.join(cells)} | {bound_text(r)}{missed} |")
    hidden = ("speed_", "disk_", "frames")
    others = [r for r in measured if kept(r) is None and not r["metric"].startswith(hidden)]
    lines += ["", "Medians of the others:", ""]
    lines += matrix([r for r in others if not r["case"].startswith("scaling")])
    lines += ["", "Speeds in GB/s of float32 (`pread`: of raw bytes), medians:", ""]
    speeds = [{**r, "metric": r["metric"][6:]} for r in rows if r["metric"].startswith("speed_")]
    return "\n".join(lines + matrix(speeds))


def matrix(rows: list[dict]) -> list[str]:
    """A table of medians, metrics down and cases across."""
    cases = list(dict.fromkeys(r["case"] for r in rows))
    found = {(r["metric"], r["case"]): with_unit(r) for r in rows}
    lines = [f"| | {' | '.join(cases)} |", "|---" * (len(cases) + 1) + "|"]
    for metric in dict.fromkeys(r["metric"] for r in rows):
        cells = (found.get((metric, case), "") for case in cases)
        lines.append(f"| `{metric}` | {' | '.join(cells)} |")
    return lines


def with_unit(row: dict) -> str:
    unit = f" {row['unit']}" if row["unit"] in ("us", "ms") else ""
    return number(row["value"], row["unit"]) + unit


def write_document(rows: list[dict], path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise SystemExit(f"{path} has no lines {BEGIN} and {END}")
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    path.write_text(f"{head}{BEGIN}\n\n{tables(rows)}\n\n{END}{tail}", encoding="utf-8")


# ---- pictures ------------------------------------------------------------------------------------


def canvas(columns: int, **options):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    size = (2.8 * columns, 3)
    return plt.subplots(1, columns, figsize=size, layout="constrained", squeeze=False, **options)


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
    labels = [SHOWN[m] for m in SHOWN if any(r["metric"] == m for r in rows)]
    figure, axes = canvas(len(cases), sharey=True)
    for axis, case in zip(axes[0], cases, strict=True):
        some = [r for r in rows if r["case"] == case]
        places = [labels.index(SHOWN[r["metric"]]) for r in some]
        values = [r["value"] for r in some]
        spread = [[r["value"] - r["least"] for r in some], [r["most"] - r["value"] for r in some]]
        colours = ["tab:blue" if r["metric"][0] == "d" else "tab:orange" for r in some]
        axis.barh(places, values, xerr=spread, color=colours)
        axis.axvline(1, color="black", linewidth=0.8)
        axis.set(title=case, xscale="log", xlabel="ratio of throughput")
        axis.set_xticks([0.3, 1, 3, 10, 30], ["0.3", "1", "3", "10", "30"])
        axis.minorticks_off()
    axes[0][0].set_yticks(range(len(labels)), labels)
    axes[0][0].invert_yaxis()
    figure.savefig(path, dpi=75)


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
        values = [r["value"] for r in rows if r["metric"].startswith(kind)]
        axis.set_ylim(min(values) / 5, max(values) * 5)
    axes[0][0].set_ylabel("microseconds")
    axes[0][0].legend(fontsize="small")
    figure.savefig(path, dpi=75)


def merged(files: list[str]) -> list[dict]:
    """The rows of all files, in order."""
    found = {}
    for file in files:
        for row in json.loads(Path(file).read_text()):
            found[row["case"], row["metric"]] = row
    if len(files) > 1:
        found.pop(("machine", "minutes"), None)
    return list(found.values())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("figures", nargs="+")
    parser.add_argument("--document", type=Path, default=Path("docs/speed.md"))
    options = parser.parse_args()
    rows = merged(options.figures)
    write_document(rows, options.document)
    plot_ratios(rows, options.document.with_name("speed.png"))
    plot_scaling(rows, options.document.with_name("speed-scaling.png"))


if __name__ == "__main__":
    main()
