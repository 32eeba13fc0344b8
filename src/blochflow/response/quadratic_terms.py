"""The quadratic conductivity as a sum of integrals, for every model of relaxation.

    sigma_a;bc(w1, w2) = drude + bcd + metric,   Z(w) = 1/tau - i w,   z(w) = w + i/tau      (e = hbar = 1)

    drude   = - {1/(Z2 Z12)} Int f d_a d_b d_c E
    bcd     = {1/Z2} Int f d_c Omega_ab
    metric  = {c1 D_a[T_bc] + c2 D_c[T_ab] + c3 Y_a^bc}

Braces: half the sum over (b, w1) <-> (c, w2); index 12 is the sum of both frequencies.  The factors c depend on what
collisions relax the electrons to; that of the Drude term in the clean limit is the limit of adiabatic switching.
Source: Sodemann and Fu, PRL 115, 216806 (2015); Gao, Yang, Niu, PRL 112, 166601 (2014); Kaplan, Holder, Yan, PRL 132,
026301 (2024) on how relaxation changes the metric term.
"""

from __future__ import annotations

from collections.abc import Mapping

from blochflow.response.tensor_sums import Base, total

# name -> what relaxes, and to what
RELAXATION = {
    "bare": "bands dressed by the field relax to f0 of the energy without field",
    "local": "bands dressed by the field relax to f0 of their energy in the field",
    "uniform": "every element of the density matrix relaxes to equilibrium without field",
    "intraband": "only occupations of bands without field relax",
    "clean": "no relaxation, the field is switched on adiabatically",
}
PARTS = ("drude", "bcd", "metric")
WITH_POPULATION = ("uniform", "intraband")

Factors = tuple[complex, complex, complex]


def metric_factors(relaxation: str, rate: float, w1: float, w2: float) -> Factors:
    """c1, c2, c3 for a rate 1/tau."""
    if relaxation == "clean":
        return 0.5, -(1 + w1 / w2), 0.0
    z1, z2, z12 = (w + 1j * rate for w in (w1, w2, w1 + w2))
    if relaxation == "uniform":
        return 0.5, -z12 / z2, (z1 + z2) / z12 - 1
    if relaxation == "intraband":
        return 0.5, -(w1 + w2) / z2, (w1 + w2) / z12 - 1
    local = 0.5j * rate / z12 if relaxation == "local" else 0.0
    # -i w1/Z2 is the current of a Berry connection that changes in time
    return 0.5 + local, -(1 + w1 / z2), 0.0


def drude_factor(relaxation: str, rate: float, w1: float, w2: float) -> complex:
    """{1/(Z2 Z12)}, symmetric as it stands."""
    if relaxation == "clean":
        return -0.5 / (w1 * w2)
    z1, z2, z12 = (rate - 1j * w for w in (w1, w2, w1 + w2))
    return 0.5 * (1 / z1 + 1 / z2) / z12


def quadratic_parts(
    integrals: Mapping[str, Base], relaxation: str, rate: float, w1: float, w2: float
) -> dict[str, Base]:
    """The parts, tensors (a, b, c), from the integrals "drude", "curvature", "normalised" and "population"."""
    drude = integrals["drude"].times(-drude_factor(relaxation, rate, w1, w2))
    curvature, metric = [], []
    # the second ordering has fields exchanged
    for (first, second), (b, c) in (((w1, w2), "bc"), ((w2, w1), "cb")):
        c1, c2, c3 = metric_factors(relaxation, rate, first, second)
        curvature.append(integrals["curvature"].turned(f"{c}a{b}").times(0.5 / (rate - 1j * second)))
        metric.append(integrals["normalised"].turned(f"a{b}{c}").times(0.5 * c1))
        metric.append(integrals["normalised"].turned(f"{c}a{b}").times(0.5 * c2))
        if relaxation in WITH_POPULATION:
            metric.append(integrals["population"].turned(f"a{b}{c}").times(0.5 * c3))
    return {"drude": drude, "bcd": total(curvature), "metric": total(metric)}
