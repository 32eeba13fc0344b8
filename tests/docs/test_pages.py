"""The README and the tutorials run as printed, and what the pages refer to exists."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import ROOT, commands, execute

import blochflow as bf

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*/README.md")])

pytestmark = pytest.mark.docs


def name(page):
    return str(page.relative_to(ROOT))


def test_readme_python_blocks_run():
    assert execute(ROOT / "README.md")["bf"].__name__ == "blochflow"


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS, ids=name)
def test_tutorial_runs(page, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.chdir(page.parent)
    execute(page)
    pyplot.close("all")


def test_readme_commands_run(tmp_path):
    """The whole block "From the shell", typed in an empty folder."""
    listed = [command for command in commands(ROOT / "README.md") if command[0] == "blochflow"]
    assert {"init", "run", "plot"} <= {command[1] for command in listed}
    for command in listed:
        program = Path(sys.executable).with_name(command[0])
        done = subprocess.run(
            [program, *command[1:]], capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ahc.nc", "ahc.png", "job.toml"]


def test_readme_commands_exist():
    listed = commands(ROOT / "README.md")
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert all(words[1] in targets for words in listed if words[0] == "make")
    known = {"run", "check", "init", "info", "plot", "export", "explain", "cite", "models"}
    assert {words[1] for words in listed if words[0] == "blochflow"} <= known


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_to_files_exist(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), f"{name(page)} links to {target}"


def test_conventions_name_every_sign_test():
    page = (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")
    tree = ast.parse((ROOT / "tests" / "identities" / "test_conventions.py").read_text(encoding="utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
    assert set(re.findall(r"`(test_\w+)`", page)) == defined


def test_every_reference_of_the_catalog_is_in_the_literature():
    from blochflow.dynamics.catalog import PROPAGATE
    from blochflow.dynamics.orbit_catalog import QUANTITIES as ORBITS
    from blochflow.nonadiabatic.motion_catalog import EHRENFEST, MANIFOLD
    from blochflow.response.catalog import QUANTITIES

    text = (ROOT / "src" / "blochflow" / "core" / "literature.bib").read_text(encoding="utf-8")
    keys = set(re.findall(r"^@\w+\{(\w+),", text, re.MULTILINE))
    listed = [*QUANTITIES.values(), *ORBITS.values(), PROPAGATE, EHRENFEST, MANIFOLD]
    assert {key for quantity in listed for key in quantity.references} <= keys


def test_api_page_lists_every_public_name():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    errors = {name for name, module in bf._NAMES.items() if module == "core.errors"}  # listed as a whole module
    public = {f"blochflow.{name}" for name in bf._NAMES if name not in errors}
    public |= {f"blochflow.geometry.{name}" for name in bf.geometry.__all__}
    public |= {f"blochflow.response.{name}" for name in bf.response.__all__}
    public |= {f"blochflow.exact.{name}" for name in bf.exact.__all__}
    public |= {f"blochflow.nonadiabatic.{name}" for name in bf.nonadiabatic.__all__}
    public |= {f"blochflow.orbits.{name}" for name in bf.orbits.__all__}
    listed = set(re.findall(r"blochflow\.[\w.]+", page))
    assert public <= listed, sorted(public - listed)
