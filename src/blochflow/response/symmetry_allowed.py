"""Which components of which responses the symmetries of a model allow, and what forbids the others.

    T_ab.. = (g T)_ab.. = det(R)^axial (+-1) R_aa' R_bb' .. T_a'b'..      for every g of the group

A component is forbidden by an operation g when no tensor that the group {g, g^2, ..} leaves invariant has it.
Source: Kleiner, Phys. Rev. 142, 318 (1966); Seemann et al., PRB 92, 155138 (2015); Birss (1964).
What is verified on the model, and how its tensors are made: `symmetry_samples`; the table itself: `symmetry_rows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from blochflow.models.base import PAIRS, AbstractModel, as_model
from blochflow.response.symmetry import THRESHOLD, verified_operations
from blochflow.response.symmetry_rows import SymmetryRow, SymmetryTable
from blochflow.response.symmetry_samples import NEGLIGIBLE, SampledTensors, spin_of, states_to_sample
from blochflow.zone.symmetry import Operation, generated_group, identity
from blochflow.zone.tensor_symmetry import HALL, OHMIC, TensorKind, allowed_components, projector

DIPOLE = TensorKind(3, last_two="antisymmetric")
METRIC_DIPOLE = TensorKind(3, time_odd=True, last_two="symmetric")
# Intrinsic spin conductivity: an axial spin (odd under time reversal) carried by a velocity (odd), driven by a field.
SPIN_2D, SPIN_3D = TensorKind(2, axial=True), TensorKind(3, axial=True)
AXES = "xyz"
WHOLE = "the group as a whole"


def symmetry_table(
    model: AbstractModel,
    *,
    mu: Any = None,
    temperature: Any = None,
    symmetry: Any = "auto",
    threshold: float = THRESHOLD,
) -> SymmetryTable:
    """Which components of the responses of a model may differ from zero, and which operation forbids the others.

        T_ab = (g T)_ab = (+-1) R_aa' R_bb' T_a'b'        for every operation g = R, or R with time reversal

    Hall-like tensors are odd under time reversal and antisymmetric, ohmic ones even and symmetric; spin is an axial
    vector odd under time reversal, hence the intrinsic spin Hall tensor even.  Operations are found as in
    `blochflow.response.symmetry`: energies and the tensor of the response itself must agree at 64 k and their images,
    so a row has the group of its own tensor, which is never smaller than the group of the crystal.
    Source: Kleiner, Phys. Rev. 142, 318 (1966); Seemann, Koedderitzsch, Wimmer and Ebert, PRB 92, 155138 (2015).
    Valid for: linear response.  By Onsager's relations the antisymmetric part of a conductivity is odd under time
    reversal, the symmetric one even, with scattering too.  Not included: what vanishes for other reasons than a point
    operation (a single band has no curvature); parts of the spin Hall effect that are odd under time reversal.

    Parameters
    ----------
    model : AbstractModel
        In one dimension only the ohmic rows and that of the metric exist.
    mu, temperature : float or array, optional
        States at which the tensors are compared; they are smeared by at least a fiftieth of the width of the spectrum.
        Default: five chemical potentials across the spectrum, which is what a statement for all fillings needs.
    symmetry : "auto", False or list
        Operations to try: as in `anomalous_hall`.
    threshold : float
        Relative mismatch of energies and tensors that counts as none.  Wannier functions often break the symmetry of
        their crystal slightly; a larger value, 1e-3 say, then finds it.

    Returns
    -------
    SymmetryTable
        Rows ``anomalous_hall``, ``anomalous_nernst``, ``anomalous_thermal_hall``, ``orbital_magnetization`` (the
        component xy is M_z), ``ohmic``, ``thermoelectric`` (symmetric part), ``spin_hall`` (spin, current, field; in
        two dimensions the spin component z: operations of the plane do not tell how the others transform),
        ``quantum_metric_dipole`` and ``berry_curvature_dipole`` (derivative, then metric or curvature).  Print it,
        index it by name, or call ``to_dataset()``.

    Raises
    ------
    ValueError
        Only one of mu and temperature is given, or a wrong ``symmetry`` or ``threshold``.
    NonFiniteError
        H is not finite at some k.

    Warns
    -----
    SymmetryWarning
        An operation of the list ``symmetry`` does not hold; it is left out.

    Examples
    --------
    >>> import blochflow as bf
    >>> table = bf.response.symmetry_table(bf.zoo.graphene(mass=0.1))
    >>> table["anomalous_hall"].is_allowed("xy"), table["anomalous_hall"].why("xy")
    (False, 'time reversal')
    """
    model = as_model(model)
    samples = SampledTensors(model, states_to_sample(model, mu, temperature))
    groups: dict[str, tuple[Operation, ...]] = {}

    def group_of(tensor: str, kind: TensorKind) -> tuple[Operation, ...]:
        if tensor not in groups:
            found = verified_operations(
                model,
                samples.function(tensor),
                kind,
                symmetry=symmetry,
                threshold=threshold,
                negligible=NEGLIGIBLE,
                energies_at=samples.energies,
            )
            groups[tensor] = found.operations
        return groups[tensor]

    rows = [_row(name, kind, group_of(tensor, kind)) for name, tensor, kind in _responses(model.dimension)]
    rows.append(_row("quantum_metric_dipole", METRIC_DIPOLE, group_of("metric", OHMIC)))
    if model.dimension > 1:
        # the gradient of a covariant curvature is covariant: the group is that of the curvature
        dipole = _row("berry_curvature_dipole", DIPOLE, group_of("curvature", HALL))
        rows += [_spin_row(model, group_of), dipole]
    return SymmetryTable(model.name, tuple(rows))


def _responses(dimension: int) -> list[tuple[str, str, TensorKind]]:
    """Name, sampled tensor and kind of the responses whose tensors need no spin."""
    ohmic = [("ohmic", "drude", OHMIC), ("thermoelectric", "drude", OHMIC)]
    if dimension == 1:
        return ohmic
    hall = [(name, "curvature", HALL) for name in ("anomalous_hall", "anomalous_nernst", "anomalous_thermal_hall")]
    return [*hall, ("orbital_magnetization", "magnetization", HALL), *ohmic]


def _spin_row(model: AbstractModel, group_of: Any) -> SymmetryRow:
    """Spin Hall effect: verified on the operator "spin" where the model has one, else on what is said in the note."""
    kind = SPIN_2D if model.dimension == 2 else SPIN_3D
    if spin_of(model) is not None:
        return _row("spin_hall", kind, group_of("spin", kind), "spin: the model's operator, verified")
    if model.spin_degeneracy == 2:
        row = _row("spin_hall", kind, (identity(model.dimension),))
        none, why = (False,) * len(row.components), ("spin rotation: both spins are the same",) * len(row.components)
        return SymmetryRow("spin_hall", kind, row.operations, row.components, none, (why[:1],) * len(why), why, 0)
    note = "spin: assumed to turn with the lattice, the model has no operator for it; zero without spin-orbit coupling"
    return _row("spin_hall", kind, group_of("curvature", HALL), note)


def _row(quantity: str, kind: TensorKind, operations: tuple[Operation, ...], note: str = "") -> SymmetryRow:
    """What the group leaves of one tensor."""
    indices, labels = components_of(kind, operations[0].dimension)
    left = allowed_components(operations, kind)
    single = _single_operations(operations, kind)
    blamed = [
        tuple((_name(g), g) for g, allowed in single if not allowed[index]) if not left[index] else ()
        for index in indices
    ]
    return SymmetryRow(
        quantity=quantity,
        kind=kind,
        operations=operations,
        components=labels,
        allowed=tuple(bool(left[index]) for index in indices),
        forbidden_by=tuple(tuple(name for name, _ in some) for some in blamed),
        reason=tuple(
            "" if left[index] else _reason([g for _, g in some]) for index, some in zip(indices, blamed, strict=True)
        ),
        constants=round(float(np.trace(projector(operations, kind)))),
        note=note,
    )


def components_of(kind: TensorKind, dimension: int) -> tuple[list[tuple[int, ...]], tuple[str, ...]]:
    """Indices and labels of the components that the exchange of indices leaves independent."""
    pairs = [(a, b) for a in range(dimension) for b in range(dimension)]
    if kind.last_two == "symmetric":
        pairs = [(a, b) for a, b in pairs if a <= b]
    elif kind.last_two == "antisymmetric":
        pairs = list(PAIRS[dimension])
    text = {pair: AXES[pair[0]] + AXES[pair[1]] for pair in pairs}
    if kind.rank == 2:
        prefix = "z," if kind.axial else ""  # spin z in two dimensions
        return list(pairs), tuple(prefix + text[pair] for pair in pairs)
    indices = [(c, *pair) for c in range(dimension) for pair in pairs]
    return list(indices), tuple(f"{AXES[c]},{text[(a, b)]}" for c, a, b in indices)


def _single_operations(operations: Sequence[Operation], kind: TensorKind) -> list[tuple[Operation, np.ndarray]]:
    """Every operation with what the group it generates allows: time reversal, inversion, P*T, then the others."""
    d = operations[0].dimension
    found = [(len(powers := generated_group([g], d)), g, allowed_components(powers, kind)) for g in operations[1:]]
    order = sorted(range(len(found)), key=lambda i: (_special(found[i][1]), found[i][1].time_reversal, found[i][0], i))
    return [(found[i][1], found[i][2]) for i in order]


def _special(operation: Operation) -> int:
    """0, 1, 2 for time reversal, inversion and their product; 3 otherwise."""
    d = operation.dimension
    if operation.equals(Operation(np.eye(d), None, True)):
        return 0
    if operation.equals(Operation(-np.eye(d))):
        return 1
    return 2 if operation.equals(Operation(-np.eye(d), None, True)) else 3


def _name(operation: Operation) -> str:
    return "inversion with time reversal (P*T)" if _special(operation) == 2 else str(operation)


def _reason(forbidding: Sequence[Operation]) -> str:
    """Time reversal, inversion or P*T where one of them suffices, else the simplest operation that does."""
    if not forbidding:
        return WHOLE
    special = [_name(g) for g in forbidding if _special(g) < 3]
    if special:
        return "; ".join(special)
    others = len(forbidding) - 1
    more = f", or any of {others} others" if others > 1 else ", or one other" if others else ""
    return _name(forbidding[0]) + more
