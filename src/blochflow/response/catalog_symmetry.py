"""Static description of the table of components that symmetry allows.  No JAX here."""

from __future__ import annotations

from blochflow.core.quantity import Quantity

SYMMETRY_TABLE = Quantity(
    name="symmetry_table",
    title="Components of responses that the symmetries of the model allow",
    symbol="T_ab",
    equation="T_ab.. = det(R)^axial (+-1) R_aa' R_bb' .. T_a'b'.. for all operations",
    references=("Kleiner1966", "Seemann2015"),
    units={(system, d): (1.0, "1") for d in (1, 2, 3) for system in ("NATURAL", "EV_ANGSTROM")},
    valid_for="linear response; operations are verified on energies and on the tensor of each response at 64 random k",
    not_included="what vanishes for other reasons than a point operation; parts of spin Hall effects odd under time "
    "reversal",
    conventions="xy: both orders of an antisymmetric or symmetric pair; in z,xy the spin or derivative comes first",
    options={
        "mu": "chemical potentials at which tensors are compared (default: five across the spectrum)",
        "temperature": "their temperatures, given together with mu",
        "symmetry": '"auto" tries all operations of the lattice, false none, or a list of "time_reversal", "inversion"',
        "threshold": "relative mismatch that counts as none (default 1e-6); Wannier functions may need 1e-3",
    },
    explanation=(
        "For every response the components that may differ from zero, and for each other component the operation that "
        "forbids it.  A row has the group of its own tensor, which is never smaller than that of the crystal."
    ),
)
