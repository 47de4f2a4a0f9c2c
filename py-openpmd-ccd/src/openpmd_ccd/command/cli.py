"""The command ``openpmd-ccd``."""

import os
import shutil
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from .. import __version__
from ..errors import CCDError

_ERRORS = (CCDError, OSError)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="openpmd-ccd")
def commands():
    """Camera scans as openPMD files."""


def main():
    """Run a command; an error is one line on stderr.

    Exit codes: 0 done; 1 an error; 2 a wrong call, or done with something missing. With
    OPENPMD_CCD_DEBUG set, errors come with Python's traceback.
    """
    try:
        commands.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit("interrupted")
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("OPENPMD_CCD_DEBUG"):
            raise
        expected = isinstance(error, _ERRORS) and str(error)
        text = str(error) if expected else f"unexpected {type(error).__name__}: {error}"
        sys.exit(f"openpmd-ccd: {' '.join(text.split())}")


@commands.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, help="Scan to write, .h5 or .bp.")
@click.option("--overwrite", is_flag=True, help="Replace an existing scan.")
@click.option("--number-from", metavar="REGEX", help=r"Shot numbers from the names: '(\d+)'.")
@click.option("--first", type=int, help="Number of the first shot.  [default: 0]")
@click.option("--skip-bad", is_flag=True, help="Leave out and list what cannot be read.")
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
def convert(
    images, output, overwrite, number_from, first, skip_bad, pages, quiet, **camera
):  # fmt: skip
    """Write IMAGES (files, folders, patterns) into one scan, with the files' times.

    The order is that of the names, img_2 before img_10; the scan appears when it is complete.
    Exit code 2: written, but images were left out.
    """
    from .convert import Conversion, check_numbers
    from .numbers import find_images, note_of_other_numbers, numbers_from

    check_numbers(number_from, first, pages)
    paths = find_images(images)
    start = first or 0
    numbers = list(range(start, start + len(paths)))
    if number_from is not None:
        numbers = numbers_from(number_from, paths)
    elif not pages and (note := note_of_other_numbers(paths, numbers)):
        click.echo(note, err=True)
    console = Console(stderr=True, quiet=quiet)
    conversion = Conversion(output, overwrite, skip_bad, pages)
    conversion.run(
        paths, numbers, camera, lambda items: track(items, "converting", console=console)
    )
    for path, reason in conversion.bad:
        click.echo(f"left out: {path}: {reason}", err=True)
    left_out = f", {len(conversion.bad)} images left out" if conversion.bad else ""
    click.echo(f"{conversion.path}: {conversion.count} shots{left_out}")
    sys.exit(2 if conversion.bad else 0)


@commands.command()
@click.argument("scan", type=click.Path(path_type=Path))
@click.option("--shots", is_flag=True, help="List every shot.")
@click.option("--json", "as_text", is_flag=True, help="Everything, as JSON.")
def info(scan, shots, as_text):
    """Show what is in SCAN."""
    from ..reading.scan import open_scan
    from .show import as_json, show

    with open_scan(scan) as opened:
        if as_text:
            click.echo(as_json(opened))
        else:
            show(Console(soft_wrap=True, highlight=False), opened, shots)


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
@click.option("--calibrated", is_flag=True, help="The calibrated values, float32, as TIFF.")
@click.option("--overwrite", is_flag=True, help="Replace existing images.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def export(scan, output, ending, numbers, calibrated, overwrite, quiet):
    """Write the shots of SCAN as image files <scan>_<number>.tiff or .png.

    With --calibrated <scan>_<number>_calibrated.tiff. An existing image is an error.
    """
    from ..images.export import write_image
    from ..reading.scan import open_scan

    output.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True, quiet=quiet)
    with open_scan(scan) as opened:
        chosen = list(numbers) or opened.numbers
        mesh = "calibrated" if calibrated else "raw"
        tail = f"_calibrated.{ending}" if calibrated else f".{ending}"
        targets = {n: output / f"{scan.stem}_{n}{tail}" for n in chosen}
        there = [str(path) for path in targets.values() if path.exists()]
        if there and not overwrite:
            raise FileExistsError(
                f"{len(there)} of these images exist already, {there[0]} for one: --overwrite "
                "replaces them"
            )
        for number in track(chosen, "exporting", console=console):
            write_image(targets[number], opened.shot(number), mesh)
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
