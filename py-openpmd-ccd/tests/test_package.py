"""The package as such: documentation, examples, version, imports."""

import doctest
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import openpmd_ccd
import pytest

MODULES = sorted(
    f"openpmd_ccd.{module.name}"
    for module in pkgutil.iter_modules(openpmd_ccd.__path__)
    if module.name != "__main__"
)


@pytest.mark.parametrize("name", ["openpmd_ccd.writing.ccd", "openpmd_ccd.reading.scan"])
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 2
    assert result.failed == 0


def test_readme_example(tmp_path, monkeypatch):
    readme = Path(__file__).parent.parent / "README.md"
    blocks = readme.read_text(encoding="utf-8").split("```python\n")[1:]
    monkeypatch.chdir(tmp_path)
    from PIL import Image

    Image.new("L", (4, 3)).save("shot.png")
    scope = {}
    for block in blocks:
        exec(block.split("```")[0], scope)
    assert Path("defaultCam_scan001.h5").exists()


@pytest.mark.parametrize("name", [*MODULES, "openpmd_ccd_labview"])
def test_everything_public_is_described(name):
    module = importlib.import_module(name)
    assert module.__doc__
    for key, value in vars(module).items():
        if key.startswith("_") or getattr(value, "__module__", None) != name:
            continue
        if inspect.isfunction(value) or inspect.isclass(value):
            assert value.__doc__, f"{name}.{key}"
        for method, function in vars(value).items() if inspect.isclass(value) else ():
            if inspect.isfunction(function) and not method.startswith("_"):
                assert function.__doc__, f"{name}.{key}.{method}"


def test_all_names_can_be_imported():
    for name in openpmd_ccd.__all__:
        assert getattr(openpmd_ccd, name) is not None
    assert set(openpmd_ccd.__all__) <= set(dir(openpmd_ccd))
    with pytest.raises(AttributeError):
        openpmd_ccd.nothing  # noqa: B018


def test_every_error_has_a_code_of_its_own():
    from openpmd_ccd import errors

    classes = [c for c in vars(errors).values() if inspect.isclass(c) and hasattr(c, "code")]
    codes = [c.code for c in classes] + [errors.INTERRUPTED, errors.UNEXPECTED]
    assert len(set(codes)) == len(codes)
    assert all(5000 <= code <= 9999 for code in codes)
    import openpmd_ccd_labview

    for code in codes:
        assert str(code) in openpmd_ccd_labview.__doc__


@pytest.mark.parametrize("module", ["openpmd_ccd", "openpmd_ccd_labview"])
def test_imports_are_lazy(module):
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert not {"h5py", "numpy", "PIL", "tifffile", "click", "rich"} & loaded


def test_version_is_the_wheels():
    from importlib.metadata import version

    assert openpmd_ccd.__version__ == version("openpmd-ccd")
