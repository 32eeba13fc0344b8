"""Unit systems and physical constants (CODATA 2018 exact SI values).

Kernels work with hbar = e = k_B = 1 in the model's energy and length.  A model carries one of two unit
systems; numbers are converted once, at the public boundary:

    NATURAL       hbar = e = k_B = 1; energies and lengths in whatever unit the model is written in
    EV_ANGSTROM   eV, Angstrom, fs, K, T, V/Angstrom
"""

from __future__ import annotations

import math
from dataclasses import dataclass

ELEMENTARY_CHARGE = 1.602176634e-19  # C
PLANCK = 6.62607015e-34  # J s
HBAR = 1.0545718176461565e-34  # J s
BOLTZMANN = 1.380649e-23  # J/K
ELECTRON_MASS = 9.1093837015e-31  # kg

HBAR_EV_FS = HBAR / ELEMENTARY_CHARGE * 1e15  # 0.6582119569 eV fs
BOLTZMANN_EV = BOLTZMANN / ELEMENTARY_CHARGE  # eV/K
CONDUCTANCE_QUANTUM_SI = ELEMENTARY_CHARGE**2 / PLANCK  # e^2/h in S
CONDUCTANCE_HBAR_SI = ELEMENTARY_CHARGE**2 / HBAR  # e^2/hbar in S
BOHR_MAGNETON_EV = ELEMENTARY_CHARGE * HBAR / (2 * ELECTRON_MASS) / ELEMENTARY_CHARGE  # eV/T

# (unit system, dimension) -> factor from natural units, label
CONDUCTIVITY = {
    ("NATURAL", 1): (1.0, "e^2 a/hbar"),
    ("NATURAL", 2): (1.0, "e^2/hbar"),
    ("NATURAL", 3): (1.0, "e^2/(hbar a)"),
    ("EV_ANGSTROM", 1): (CONDUCTANCE_HBAR_SI, "S angstrom"),
    ("EV_ANGSTROM", 2): (2 * math.pi, "e^2/h"),
    ("EV_ANGSTROM", 3): (CONDUCTANCE_HBAR_SI * 1e10 / 100, "S/cm"),
}
# e^3/hbar times length^(3-d)/energy
QUADRATIC_CONDUCTIVITY = {
    ("NATURAL", 1): (1.0, "e^3 a^2/(hbar E)"),
    ("NATURAL", 2): (1.0, "e^3 a/(hbar E)"),
    ("NATURAL", 3): (1.0, "e^3/(hbar E)"),
    ("EV_ANGSTROM", 1): (CONDUCTANCE_HBAR_SI * 1e-20, "A m^2/V^2"),
    ("EV_ANGSTROM", 2): (CONDUCTANCE_HBAR_SI * 1e-10, "A m/V^2"),
    ("EV_ANGSTROM", 3): (CONDUCTANCE_HBAR_SI, "A/V^2"),
}


@dataclass(frozen=True)
class Units:
    """A unit system: names of the units and the factors that enter kernels.

    Attributes
    ----------
    name : str
    energy, length, time, temperature, magnetic_field, electric_field : str
        Unit labels; in NATURAL they are products of the model's own units.
    boltzmann : float
        k_B in energy per temperature unit (1, or eV/K).
    bohr_magneton : float
        Bohr magneton in energy per magnetic-field unit (1/2 for hbar = e = m_e = 1, or eV/T).
    """

    name: str
    energy: str
    length: str
    time: str
    temperature: str
    magnetic_field: str
    electric_field: str
    boltzmann: float
    bohr_magneton: float

    def __repr__(self) -> str:
        return self.name


NATURAL = Units(
    name="NATURAL",
    energy="E",
    length="a",
    time="hbar/E",
    temperature="E/k_B",
    magnetic_field="hbar/(e a^2)",
    electric_field="E/(e a)",
    boltzmann=1.0,
    bohr_magneton=0.5,
)

EV_ANGSTROM = Units(
    name="EV_ANGSTROM",
    energy="eV",
    length="angstrom",
    time="fs",
    temperature="K",
    magnetic_field="T",
    electric_field="V/angstrom",
    boltzmann=BOLTZMANN_EV,
    bohr_magneton=BOHR_MAGNETON_EV,
)

UNIT_SYSTEMS = {"NATURAL": NATURAL, "EV_ANGSTROM": EV_ANGSTROM}
