"""`import blochflow` and the help of the command load nothing heavy, and every public name is typed."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import blochflow as bf

HEAVY = ("jax", "scipy", "xarray", "matplotlib", "pydantic", "equinox", "h5netcdf", "pandas")


def loaded_after(statements: str) -> list[str]:
    """Heavy modules in `sys.modules` of a fresh process after running the statements."""
    code = f"import sys\n{statements}\nsys.stderr.write(' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    return done.stderr.split()


def run_main(*arguments: str) -> str:
    return (
        f"sys.argv = {['blochflow', *arguments]!r}\nfrom blochflow.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit as exc:\n    assert not exc.code, exc.code"
    )


def test_import_loads_nothing_heavy() -> None:
    assert loaded_after("import blochflow") == []


def test_help_loads_nothing_heavy() -> None:
    assert loaded_after(run_main("--help")) == []


@pytest.mark.parametrize(
    "arguments", [("run", "--help"), ("plot", "--help"), ("explain", "anomalous_hall"), ("cite", "anomalous_hall")]
)
def test_static_commands_load_nothing_heavy(arguments: tuple[str, ...]) -> None:
    # recent versions of typer convert the arguments of a subcommand with pydantic
    assert set(loaded_after(run_main(*arguments))) <= {"pydantic"}


def test_stub_lists_every_public_name() -> None:
    stub = ast.parse((Path(bf.__file__).parent / "__init__.pyi").read_text())
    typed = {
        alias.asname: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    public = {*bf._NAMES, *bf._MODULES}
    assert set(typed) == public
    for name in public:
        assert getattr(bf, name) is not None
    for name, module in bf._NAMES.items():
        assert typed[name] == f"blochflow.{module}"


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        bf.absent
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        bf.plot.absent
