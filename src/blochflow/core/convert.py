"""Results in other units: `to_si`, `to_units`.

A unit label is read as a product of powers, e.g. ``e^2/h``, ``S/cm``, ``1/angstrom^2``, ``A/(K m)``.  Each symbol has
a factor and exponents of the SI base units (kg, m, s, A, K); two labels can be converted when the exponents agree.
The symbols ``E`` and ``a`` of NATURAL results are the model's own units of energy and length: nobody but the model's
author knows them, and labels that hold them are refused.
Source: CODATA 2018 (e, h, k_B exact; hbar, mu_B and bohr recommended values).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from blochflow.core.checks import fail, nearest
from blochflow.core.units import BOLTZMANN, ELECTRON_MASS, ELEMENTARY_CHARGE, HBAR, PLANCK

if TYPE_CHECKING:
    import xarray as xr

BASE = ("kg", "m", "s", "A", "K")
Exponents = tuple[int, int, int, int, int]

_ENERGY, _LENGTH, _TIME = (1, 2, -2, 0, 0), (0, 1, 0, 0, 0), (0, 0, 1, 0, 0)
SYMBOLS: dict[str, tuple[float, Exponents]] = {
    "kg": (1.0, (1, 0, 0, 0, 0)),
    "m": (1.0, _LENGTH),
    "cm": (1e-2, _LENGTH),
    "um": (1e-6, _LENGTH),
    "nm": (1e-9, _LENGTH),
    "angstrom": (1e-10, _LENGTH),
    "bohr": (5.29177210903e-11, _LENGTH),
    "s": (1.0, _TIME),
    "ps": (1e-12, _TIME),
    "fs": (1e-15, _TIME),
    "A": (1.0, (0, 0, 0, 1, 0)),
    "mA": (1e-3, (0, 0, 0, 1, 0)),
    "uA": (1e-6, (0, 0, 0, 1, 0)),
    "nA": (1e-9, (0, 0, 0, 1, 0)),
    "K": (1.0, (0, 0, 0, 0, 1)),
    "C": (1.0, (0, 0, 1, 1, 0)),
    "e": (ELEMENTARY_CHARGE, (0, 0, 1, 1, 0)),
    "J": (1.0, _ENERGY),
    "eV": (ELEMENTARY_CHARGE, _ENERGY),
    "meV": (1e-3 * ELEMENTARY_CHARGE, _ENERGY),
    "W": (1.0, (1, 2, -3, 0, 0)),
    "V": (1.0, (1, 2, -3, -1, 0)),
    "mV": (1e-3, (1, 2, -3, -1, 0)),
    "uV": (1e-6, (1, 2, -3, -1, 0)),
    "S": (1.0, (-1, -2, 3, 2, 0)),
    "ohm": (1.0, (1, 2, -3, -2, 0)),
    "T": (1.0, (1, 0, -2, -1, 0)),
    "h": (PLANCK, (1, 2, -1, 0, 0)),
    "hbar": (HBAR, (1, 2, -1, 0, 0)),
    "k_B": (BOLTZMANN, (1, 2, -2, 0, -1)),
    "mu_B": (ELEMENTARY_CHARGE * HBAR / (2 * ELECTRON_MASS), (0, 2, 0, 1, 0)),
}
OWN = {"E": "energy", "a": "length"}
# fmt: off
COHERENT = (
    "1", "S", "S/m", "S/m^2", "S*m", "J", "m", "m^2", "1/m", "1/m^2", "1/m^3", "1/J", "1/(J*m)", "1/(J*m^2)",
    "1/(J*m^3)", "K", "T", "s", "A", "A/m", "A/K", "A/(K*m)", "W/K", "W/(K*m)", "V/K", "V/m", "V", "C", "J*s",
    "A*m^2", "A/V", "A/V^2", "A*m/V^2", "C/m", "C/m^2", "kg",
)
# fmt: on


def to_si(result: xr.Dataset) -> xr.Dataset:
    """The same result in SI units.

    Parameters
    ----------
    result : Dataset
        Coordinates keep their units; ``value``, ``error`` and every variable in the unit of the result are converted.

    Returns
    -------
    Dataset
        A new Dataset with ``attrs["units"]`` updated.

    Raises
    ------
    ValueError
        The result is in the model's own units of energy or length (NATURAL).

    Examples
    --------
    >>> import blochflow as bf
    >>> sigma = bf.response.anomalous_hall(bf.zoo.haldane(), mu=0.0, temperature=0.0)
    >>> bf.to_si(sigma).attrs["units"]
    'S'
    """
    label = _unit_of(result)
    factor, exponents = parse_unit(label, "result")
    return _scaled(result, label, factor, si_label(exponents))


def to_units(result: xr.Dataset, units: str) -> xr.Dataset:
    """The same result in another unit.

    Parameters
    ----------
    result : Dataset
        Coordinates keep their units.
    units : str
        A label such as ``"S/cm"``, ``"e^2/h"``, ``"1/cm^2"``, ``"meV"``; products of powers of kg, m, cm, nm,
        angstrom, bohr, s, ps, fs, A, K, C, e, J, eV, meV, W, V, S, ohm, T, h, hbar, k_B, mu_B.

    Returns
    -------
    Dataset
        A new Dataset with ``attrs["units"]`` updated.

    Raises
    ------
    ValueError
        Unknown or incompatible units, or a result in the model's own units (NATURAL).

    Examples
    --------
    >>> import blochflow as bf
    >>> sigma = bf.response.anomalous_hall(bf.zoo.haldane(), mu=0.0, temperature=0.0)
    >>> in_quanta = bf.to_units(sigma, "e^2/h")
    >>> round(float(in_quanta.value.sel(a="x", b="y").item()), 6)
    1.0
    """
    label = _unit_of(result)
    factor, exponents = parse_unit(label, "result")
    new_factor, new_exponents = parse_unit(units, "units")
    if exponents != new_exponents:
        raise fail("units", f"be a unit of the same kind as {label!r} ({si_label(exponents)})", f"is {units!r}")
    return _scaled(result, label, factor / new_factor, units)


def parse_unit(label: str, argument: str = "units") -> tuple[float, Exponents]:
    """(factor to SI, exponents of kg, m, s, A, K) of a unit label.

    Raises
    ------
    ValueError
        Unknown symbols, or the model's own units of energy or length.

    Examples
    --------
    >>> from blochflow.core.convert import parse_unit
    >>> parse_unit("S/cm")
    (100.0, (-1, -3, 3, 2, 0))
    """
    text = re.sub(r"\s+", " ", str(label)).strip()
    match = re.fullmatch(r"([^/()]+)(?:/\s*(?:\(([^/()]+)\)|([^/()* ]+)))?", text)
    if not match:
        raise fail(argument, 'be a unit such as "S/cm" or "A/(K*m)"', f"is {label!r}")
    factor, exponents = _product(match.group(1), label, argument)
    below, powers = _product(match.group(2) or match.group(3) or "1", label, argument)
    total = tuple(p - q for p, q in zip(exponents, powers, strict=True))
    return factor / below, total  # type: ignore[return-value]


def si_label(exponents: Exponents) -> str:
    """The customary SI label of a kind of quantity."""
    for label in COHERENT:
        if parse_unit(label)[1] == exponents:
            return label
    parts = [name if power == 1 else f"{name}^{power}" for name, power in zip(BASE, exponents, strict=True) if power]
    return "*".join(parts)


def _product(text: str, label: str, argument: str) -> tuple[float, Exponents]:
    """Factor and exponents of a product of powers."""
    factor, exponents = 1.0, np.zeros(len(BASE), dtype=int)
    for part in re.split(r"[* ]+", text.strip()):
        match = re.fullmatch(r"([A-Za-z_]+|1)(?:\^(-?\d+))?", part)
        if not match:
            raise fail(argument, 'be a unit such as "S/cm" or "A/(K*m)"', f"is {label!r}")
        name, power = match.group(1), int(match.group(2) or 1)
        if name == "1":
            continue
        if name in OWN:
            raise fail(
                argument,
                "be in absolute units",
                f"{label!r} holds {name}, the model's own unit of {OWN[name]}; build the model with "
                "units=bf.EV_ANGSTROM to get absolute units",
            )
        if name not in SYMBOLS:
            same_letters = [symbol for symbol in SYMBOLS if symbol.lower() == name.lower()]
            hint = same_letters[0] if same_letters else nearest(name, SYMBOLS)
            suffix = f" (did you mean {hint!r}?)" if hint else f"; known are {', '.join(SYMBOLS)}"
            raise fail(argument, "hold known unit symbols", f"{name!r} in {label!r} is not one{suffix}")
        factor *= SYMBOLS[name][0] ** power
        exponents += power * np.array(SYMBOLS[name][1])
    return factor, tuple(int(x) for x in exponents)  # type: ignore[return-value]


def _unit_of(result: xr.Dataset) -> str:
    import xarray

    if not isinstance(result, xarray.Dataset):
        raise fail("result", "be an xarray.Dataset", f"is a {type(result).__name__}")
    label = result.attrs.get("units")
    if not isinstance(label, str) or not label:
        raise fail("result", "have the attribute `units`", "has none")
    return label


def _scaled(result: xr.Dataset, old: str, factor: float, new: str) -> xr.Dataset:
    """Multiply everything in the unit of the result."""
    converted = result.copy()
    for name, variable in result.data_vars.items():
        if variable.attrs.get("units") == old:
            converted[name] = (factor * variable).assign_attrs({**variable.attrs, "units": new})
    converted.attrs = {**result.attrs, "units": new}
    if "history_value" in result.attrs:
        converted.attrs["history_value"] = factor * np.asarray(result.attrs["history_value"])
    return converted
