"""`explain`, `cite` and `models`: static texts; the first two need no JAX."""

from __future__ import annotations

import os
import textwrap

import typer

from blochflow import __version__
from blochflow.cli.guard import BAD_INPUT, DONE, say
from blochflow.cli.quantities import all_quantities, describe_arguments
from blochflow.core.checks import nearest
from blochflow.core.literature import bibtex, short_citation
from blochflow.core.quantity import Quantity

WIDTH = 100
OWN_ENTRY = f"""\
@software{{Blochflow,
  author  = {{{{Blochflow developers}}}},
  title   = {{Blochflow: semiclassical theory of Bloch electrons}},
  version = {{{__version__}}}
}}"""


# functions without a task of a job: name -> module, none for the package itself, and function
IN_PYTHON = {
    "together": ("response", "together"),
    "surface_distribution": ("response", "surface_distribution"),
    "wave_packet_spread": ("geometry", "wave_packet_spread"),
    "spread_velocity": ("geometry", "spread_velocity"),
    "ensemble": ("", "ensemble"),
    "average": ("", "average"),
    "nonadiabatic.projected": ("nonadiabatic", "projected"),
    "berry_connection_polarizability": ("geometry", "berry_connection_polarizability"),
    "exact.hofstadter": ("exact", "hofstadter"),
    "exact.ribbon": ("exact", "ribbon"),
}
# theories of motion: name of the class
THEORIES = {"adiabatic": "Adiabatic", "ehrenfest": "Ehrenfest", "manifold": "Manifold"}
# how Python calls what a job calls by its last name, or by another module
MODULES = ("response", "nonadiabatic", "orbits", "geometry")
# how a job has the models that functions return
IN_MODEL = {
    "exact.hofstadter": "flux = { p = 1, q = 3 }",
    "exact.ribbon": "ribbon = { width = 20, direction = 0 }",
}


def explain_quantity(name: str | None) -> int:
    """Print what a quantity is; without a name, the list of all."""
    known = all_quantities()
    if name is None:
        for quantity in known.values():
            typer.echo(f"{quantity.name:<26} {quantity.title}")
        typer.echo(f"Functions of the library without a task: {', '.join(IN_PYTHON)}.")
        return DONE
    name = meant(name, [*known, *IN_PYTHON, *THEORIES])
    if name in THEORIES:
        typer.echo(describe_theory(name))
        return DONE
    if name in IN_PYTHON:
        typer.echo(describe_function(*IN_PYTHON[name]))
        if name in IN_MODEL:
            typer.echo(f"\nIn a job every task sees this model with\n\n    [model]\n    {IN_MODEL[name]}")
        return DONE
    if name not in known:
        return unknown("quantity", name, [*known, *IN_PYTHON, *THEORIES])
    typer.echo(describe(known[name]))
    return DONE


def meant(name: str, known: list[str]) -> str:
    """The name of what is called as in Python, or by its last name where no other has it; else the name itself."""
    plain = name.removeprefix("blochflow.").removeprefix("bf.")
    plain = next((x for x in (plain, plain.lower()) if x in known), plain.lower())
    module, _, last = plain.rpartition(".")
    if plain in known or module not in ("", *MODULES):
        return plain if plain in known else name
    if last in known:
        return last
    others = [x for x in known if x.rpartition(".")[2] == last]
    return others[0] if len(others) == 1 else name


def describe_function(module: str, function: str) -> str:
    """The documentation of a function of the library."""
    import importlib
    import inspect

    path = f".{module}" if module else ""
    found = getattr(importlib.import_module(f"blochflow{path}"), function)
    return f"bf{path}.{function}, of the Python library\n\n{inspect.getdoc(found)}"


def describe_theory(name: str) -> str:
    """A theory of motion: its equations, where they hold, and how it is chosen."""
    from blochflow.dynamics.catalog import PROPAGATE
    from blochflow.nonadiabatic.motion_catalog import EHRENFEST, MANIFOLD

    quantity = {"ehrenfest": EHRENFEST, "manifold": MANIFOLD}.get(name, PROPAGATE)
    parts = [describe_function("", THEORIES[name]), "", *(f"    {line}" for line in quantity.equation.split(";  ")), ""]
    for label, text in (("Valid for", quantity.valid_for), ("Not included", quantity.not_included)):
        parts += textwrap.wrap(f"{label + ':':<14}{text}", WIDTH, subsequent_indent=" " * 14)
    parts += ["", f'A theory of `propagate`: theory = "{name}" or theory = {{ name = "{name}", ... }} in a job.']
    return "\n".join(parts)


def describe(quantity: Quantity) -> str:
    """The text of `blochflow explain`."""
    units = [f"{d}D {system}: {label}" for (system, d), (_, label) in sorted(quantity.units.items())]
    parts = [quantity.title, "", f"    {quantity.equation}", ""]
    parts += [*textwrap.wrap(quantity.explanation, WIDTH), ""]
    for label, text in (
        ("Conventions", quantity.conventions),
        ("Valid for", quantity.valid_for),
        ("Not included", quantity.not_included),
        ("Units", "; ".join(units)),
    ):
        parts += textwrap.wrap(f"{label + ':':<14}{text}", WIDTH, subsequent_indent=" " * 14)
    parts += ["", "Keys of a task:"]
    described = describe_arguments(quantity.name)
    column = max(12, *(len(option) + 2 for option in described))
    for option, text in described.items():
        parts += textwrap.wrap(f"  {option:<{column}}{text}", WIDTH, subsequent_indent=" " * (column + 2))
    parts += ["", "References:"]
    parts += [f"  {short_citation(key)}  [{key}]" for key in quantity.references]
    return "\n".join(parts)


def cite_file(file: str) -> int:
    """Print BibTeX for the references of a result file, or of a quantity."""
    known = all_quantities()
    if file in known and not os.path.exists(file):
        keys = known[file].references
    elif not os.path.exists(file) and not file.endswith(".nc"):
        return unknown("quantity or file", file, list(known))
    else:
        from blochflow.core.files import open as open_result

        keys = tuple(str(open_result(file).attrs.get("reference", "")).split())
    typer.echo(bibtex(keys))
    typer.echo()
    typer.echo(OWN_ENTRY)
    return DONE


def show_models(name: str | None) -> int:
    """List the zoo, or print the documentation of one model."""
    import inspect

    from blochflow.models import zoo

    known = [*zoo.names(), *zoo.textures()]
    if name is None:
        for model in known:
            typer.echo(f"{model:<22} {zoo.summary(model)}")
        return DONE
    if name not in known:
        return unknown("model", name, known)
    typer.echo(f"bf.zoo.{name}{inspect.signature(getattr(zoo, name))}\n".replace(": 'Any'", "").replace(": Any", ""))
    typer.echo(inspect.getdoc(getattr(zoo, name)))
    return DONE


def unknown(what: str, name: str, known: list[str]) -> int:
    """Say that a name is not known, and which are."""
    if what == "quantity" and name in IN_PYTHON:
        text = f"has no task: it is a function of Python, blochflow explain {name}."
        if name in IN_MODEL:
            text = f"is no task but a model: [model] {IN_MODEL[name]} in the job of any other quantity."
        say(f"Error: {name!r} {text}")
        return BAD_INPUT
    hint = nearest(name, known)
    say(f"Error: {name!r} is not a {what}." + (f" Did you mean `{hint}`?" if hint else f" Known: {', '.join(known)}."))
    return BAD_INPUT
