"""The command ``openpmd-ccd``."""

import shutil
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from .. import __version__
from ..errors import CCDError

_ERRORS = (CCDError, OSError)


@click.group()
@click.version_option(__version__, prog_name="openpmd-ccd")
def commands():
    """Camera scans as openPMD files."""


def main():
    """Run a command; an expected error is one line on stderr and exit code 1."""
    try:
        commands.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit("interrupted")
    except _ERRORS as error:
        sys.exit(f"openpmd-ccd: {error}")


@commands.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, help="Scan to write, .h5 or .bp.")
@click.option("--overwrite", is_flag=True, help="Replace an existing scan.")
@click.option("--first", default=0, show_default=True, help="Number of the first shot.")
@click.option("--name", help="Camera name.")
@click.option("--model", help="Camera model.")
@click.option("--serial", help="Serial number.")
@click.option("--operator", help='"First Last <e-mail>".')
@click.option("--resolution", nargs=2, type=float, help="x y, metres per pixel.")
@click.option("--roi", nargs=4, type=float, help="x y width height, pixels.")
@click.option("--exposure-time", type=float, help="Seconds.")
@click.option("--compression", type=click.Choice(["gzip", "bitshuffle", "blosc2"]))
@click.option("--pages", is_flag=True, help="Every page of an image file is a shot of its own.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def convert(images, output, overwrite, first, pages, quiet, **camera):
    """Write IMAGES into one scan, in the given order, with the files' times."""
    from ..writing.ccd import CCD

    number = first
    console = Console(stderr=True, quiet=quiet)
    with CCD(output, overwrite=overwrite, **camera) as scan:
        for path in track(images, "converting", console=console):
            for source, axes in _pages(path) if pages else [(path, None)]:
                when = path.stat().st_mtime if path.exists() else None
                scan.add(number, source, time=when, axes=axes, metadata={"file": path.name})
                number += 1
    click.echo(f"{scan.path}: {number - first} shots")


def _pages(path):
    """(pixels, axes) of each page."""
    import numpy as np

    from ..images.planes import decode

    image = decode(path)
    colour = len(image.planes) > 1
    pixels = np.stack(list(image.planes.values()), -1) if colour else image.planes[""]
    axes = "yxc" if colour else "yx"
    return [(p, axes) for p in pixels] if image.axes[0] == "page" else [(pixels, axes)]


@commands.command()
@click.argument("scan", type=click.Path(path_type=Path))
@click.option("--shots", is_flag=True, help="List every shot.")
def info(scan, shots):
    """Show what is in SCAN."""
    from ..reading.scan import open_scan

    console = Console(soft_wrap=True, highlight=False)
    with open_scan(scan) as opened:
        for key, value in opened.attributes.items():
            if key in ("author", "date", "machine") or key.startswith("ccd"):
                console.print(f"{key}: {value}", markup=False)
        console.print(f"shots: {len(opened)}")
        if len(opened):
            console.print(f"first: {opened.shot(opened.numbers[0])!r}", markup=False)
            console.print(f"last: {opened.shot(opened.numbers[-1])!r}", markup=False)
        if shots:
            console.print(_table(opened.table))


def _table(columns):
    table = Table(*columns)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(str, row))
    return table


@commands.command()
@click.argument("scan", type=click.Path(path_type=Path))
def validate(scan):
    """Check SCAN against openPMD 1.1.0 with openPMD-validator."""
    from ..errors import MissingPackageError

    try:
        from openpmd_validator.check_h5 import check_file
    except ImportError:
        raise MissingPackageError(
            "validate needs openPMD-validator: pip install 'openpmd-ccd[validate]'"
        ) from None
    if not scan.is_file():
        raise FileNotFoundError(f"{scan}: no such HDF5 file (a .bp scan cannot be validated)")
    errors, warnings = map(int, check_file(str(scan)))
    click.echo(f"{scan}: {errors} errors, {warnings} warnings")
    sys.exit(bool(errors or warnings))


@commands.command()
@click.argument("scans", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--delete-damaged", is_flag=True, help="Delete the damaged file if nothing is lost.")
@click.option("--no-lock", is_flag=True, help="On a file system without locks; nobody may write.")
def recover(scans, delete_damaged, no_lock):
    """Make SCANS readable after a crash; exit code 2 if shots are, or may be, missing."""
    from ..recovery.recover import recover as mend

    whole = True
    for scan in scans:
        result = mend(scan, not delete_damaged, lock="none" if no_lock else "file")
        whole &= result.whole
        click.echo(str(result))
    sys.exit(0 if whole else 2)


@commands.command()
@click.argument("scan", type=click.Path(path_type=Path))
@click.option("-o", "--output", default=".", type=click.Path(path_type=Path), help="Folder.")
@click.option("--format", "ending", type=click.Choice(["tiff", "png"]), default="tiff")
@click.option("--shot", "numbers", multiple=True, type=int, help="Only this shot (repeatable).")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def export(scan, output, ending, numbers, quiet):
    """Write the shots of SCAN as image files <scan>_<number>.tiff or .png."""
    from ..images.export import write_image
    from ..reading.scan import open_scan

    output.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True, quiet=quiet)
    with open_scan(scan) as opened:
        chosen = list(numbers) or opened.numbers
        for number in track(chosen, "exporting", console=console):
            write_image(output / f"{scan.stem}_{number}.{ending}", opened.shot(number))
    click.echo(f"{output}: {len(chosen)} images")


@commands.command()
@click.argument("scan", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="HDF5 file.")
@click.option("--shot", "numbers", multiple=True, type=int, help="Only this shot (repeatable).")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def dark(scan, output, numbers, overwrite):
    """Average the dark SCAN: sigma-clipped mean, noise, bad pixels."""
    from ..calibration.dark import write_dark
    from ..reading.scan import open_scan

    with open_scan(scan) as opened:
        bad = write_dark(output, opened, list(numbers) or None, overwrite)
        click.echo(f"{output}: {len(numbers) or len(opened)} shots, {bad} bad pixels")


@commands.command()
@click.argument("scan", type=click.Path(path_type=Path))
@click.option("--dark", help="Number, image, HDF5 file of 'dark', or FILE.h5:/dataset.")
@click.option("--flat", help="The same; raw is divided by it as it is.")
@click.option("--normalise-flat", is_flag=True, help="Divide the flat by its mean first.")
@click.option("--gain", type=float, help="Unit per count.")
@click.option("--unit", help='Such as "mJ/cm^2" or "electrons".')
@click.option("--scan-average", type=int, help="DARK or FLAT is a scan: average N shots, 0 all.")
@click.option("--overwrite", is_flag=True, help="Replace calibrated meshes.")
def calibrate(scan, dark, flat, normalise_flat, gain, unit, scan_average, overwrite):
    """Give each shot of SCAN a mesh `calibrated` beside raw: (raw - dark) / flat * gain."""
    from ..calibration.closed_scan import calibrate_scan

    dark, flat = (_constant(v, n, scan_average) for v, n in ((dark, "dark"), (flat, "flat")))
    if flat is not None and normalise_flat:
        flat = _normalised(flat)
    count = calibrate_scan(scan, overwrite, dark=dark, flat=flat, gain=gain, unit=unit)
    click.echo(f"{scan}: {count} shots calibrated")


def _constant(value, what, scan_average):
    """A number, the average of a scan, or the path as it is."""
    from ..calibration.closed_scan import from_scan, is_scan

    if value is None:
        return None
    try:
        return float(value)
    except ValueError:
        pass
    if scan_average is not None and is_scan(value):
        return from_scan(value, scan_average, what)
    return value


def _normalised(flat):
    import numpy as np

    from ..calibration.constants import load

    values = np.asarray(load(flat, "flat")[0], "f8")
    return (values / values[np.isfinite(values)].mean()).astype("f4")


@commands.command()
@click.option("--copy", "folder", type=click.Path(path_type=Path), help="Copy it there.")
def labview(folder):
    """Say where openpmd_ccd_labview.py is, for LabVIEW's Python Node, or copy it."""
    import openpmd_ccd_labview

    source = Path(openpmd_ccd_labview.__file__)
    if folder is None:
        click.echo(source)
        return
    folder.mkdir(parents=True, exist_ok=True)
    click.echo(shutil.copy(source, folder))


if __name__ == "__main__":
    main()
