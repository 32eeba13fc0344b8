"""Ensembles: an equilibrium distribution as wave packets with weights D f, and averages over packets with their errors.

    sum_n Int d^dk/(2 pi)^d D f F  ~  sum_i w_i F(k_i),    w_i = D f(h) V_k/((2 pi)^d N)

Packets come in `GROUPS` independent sets of evenly spread k, packet i in set i mod `GROUPS`; the scatter of their sums
is the statistical error.  Source: Cranley and Patterson, SIAM J. Numer. Anal. 13, 904 (1976).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_choice, as_index, as_real_array, fail
from blochflow.core.dataset import CARTESIAN, description
from blochflow.core.errors import UserModelError
from blochflow.core.quantity import Quantity
from blochflow.dynamics.equations import Adiabatic
from blochflow.dynamics.state_table import check_density, drawn_wavevectors, states_at
from blochflow.models.base import as_model
from blochflow.models.fields import as_fields
from blochflow.models.packets import WavePacket
from blochflow.zone.sampling import CONFIDENCE, student_bar

if TYPE_CHECKING:
    import xarray as xr

GROUPS = 16
# Bands filled less than this everywhere get no packets.
NEGLIGIBLE = 1e-12
AVERAGED = ("position", "wavevector", "velocity", "energy", "current")


def ensemble(
    model: Any,
    mu: float | None = None,
    temperature: float | None = None,
    count: int = 1024,
    *,
    seed: int,
    distribution: Callable[[np.ndarray, np.ndarray, np.ndarray], Any] | None = None,
    region: Any = None,
    magnetic_field: Any = None,
    theory: Adiabatic | None = None,
) -> WavePacket:
    """Wave packets of an equilibrium distribution, or of any other.

        w_i = spin_degeneracy D(k_i) f_i V_k V_x/((2 pi)^d N),   f_i = f(h(k_i)), or distribution(h, n, k)

    Source: [Xiao2010] Sec. III.  Valid for: a uniform magnetic field, h = E - m.B.  Not included: correlations between
    electrons.

    Parameters
    ----------
    model : AbstractModel
        With a zone or a cutoff.
    mu, temperature : float
        Of the Fermi function; left out with ``distribution``.
    count : int
        Packets of every band that is not empty, a multiple of 16: 16 independent sets, from whose scatter `average`
        takes its error.
    seed : int
        Decides all positions and wave vectors.
    distribution : function, optional
        Occupation between 0 and 1 of states, (P,), from their energies h (P,), bands (P,) and k (P, d): NumPy arrays.
    region : (d, 2) array, optional
        Least and largest x along every axis, filled evenly; weights then add up to the electrons inside.  None: all
        packets at x = 0, and weights that add up to the electrons per volume.
    magnetic_field : (3,) array, in two dimensions a number, optional
        Uniform.
    theory : Adiabatic, optional
        Which terms h and D have.

    Returns
    -------
    WavePacket
        Bands one after another.

    Raises
    ------
    ValueError
        Wrong arguments, no state with any electrons, or D below 0.1 where there are some.
    DegenerateBandsError
        Bands that touch, such as the two spins of a crystal with inversion: names k and the bands.
    NonFiniteError
        H is not finite somewhere.
    UserModelError
        ``distribution`` fails, or returns something else than occupations.

    Examples
    --------
    >>> import blochflow as bf
    >>> packets = bf.ensemble(bf.zoo.square(), mu=0.0, temperature=0.1, count=1024, seed=1)
    >>> round(float(packets.weight.sum()), 2)  # half filled
    0.5
    """
    model = as_model(model)
    if model.lattice is None and not hasattr(model, "cutoff"):
        raise fail("model", "have a lattice or a cutoff", f"{model.name} has neither")
    filling = as_filling(model, mu, temperature, distribution)
    must = f"be a multiple of {GROUPS}"
    number = as_index(count, "count", must)
    if number < GROUPS or number % GROUPS:
        raise fail("count", must, f"is {count!r}")
    if as_index(seed, "seed", "be a non-negative integer") < 0:
        raise fail("seed", "be a non-negative integer", f"is {seed}")
    box = as_region(region, model.dimension)
    if callable(magnetic_field):
        raise fail("magnetic_field", "be uniform for an equilibrium distribution", "is a function")
    fields = as_fields(None, magnetic_field, model.dimension, model.units)
    options = Adiabatic() if theory is None else theory
    k, volume = spread(model, number, seed)
    x = np.zeros_like(k) if box is None else placed(box, number, seed)
    volume *= 1.0 if box is None else float(np.prod(box[:, 1] - box[:, 0]))
    share = model.spin_degeneracy * volume / (2 * np.pi) ** model.dimension / number
    found = []
    for band in range(model.num_bands):
        bands = np.full(number, band)
        energy, density, _ = states_at(model, fields, options, bands, k)
        filled = filling(energy, bands, k)
        if filled.max() > NEGLIGIBLE:
            check_density(density, filled > NEGLIGIBLE, bands, k)
            found.append((bands, share * density * filled))
    if not found and distribution is not None:
        raise fail("distribution", "fill some states", "is zero everywhere")
    if not found:
        raise fail("mu", "lie above the lowest energy of the model", f"is {mu:g}, where every state is empty")
    return WavePacket(
        np.tile(x, (len(found), 1)),
        np.tile(k, (len(found), 1)),
        band=np.concatenate([bands for bands, _ in found]),
        weight=np.concatenate([weight for _, weight in found]),
    )


def as_filling(
    model: Any, mu: Any, temperature: Any, distribution: Any
) -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """Occupation of states from their energies, bands and k."""
    if distribution is None:
        for name, value in (("mu", mu), ("temperature", temperature)):
            if value is None:
                raise fail(name, "be given, or a `distribution` in place of mu and temperature", "is missing")
        level = float(as_real_array(mu, "mu", max_ndim=0))
        kt = model.units.boltzmann * float(as_real_array(temperature, "temperature", max_ndim=0, positive=False))
        return lambda energy, band, k: occupation(energy, level, kt)
    for name, value in (("mu", mu), ("temperature", temperature)):
        if value is not None:
            raise fail(name, "be left out where a `distribution` is given", f"is {value!r}")
    if not callable(distribution):
        raise fail("distribution", "be a function of energies, bands and k", f"is {distribution!r}")

    def filling(energy: np.ndarray, band: np.ndarray, k: np.ndarray) -> np.ndarray:
        try:
            found = np.broadcast_to(np.asarray(distribution(energy, band, k), dtype=float), energy.shape)
        except Exception as exc:
            raise UserModelError(f"distribution(energy, band, k) failed on {len(k)} states: {exc}") from exc
        good = (found >= 0) & (found <= 1)
        if not good.all():
            at = int(np.argmin(good))
            raise UserModelError(
                f"distribution(energy, band, k) must lie between 0 and 1, but is {found[at]:.6g} in band "
                f"{int(band[at])} at k = {np.round(k[at], 4).tolist()}."
            )
        return found

    return filling


def spread(model: Any, count: int, seed: int) -> tuple[np.ndarray, float]:
    """(count, d) k in `GROUPS` interleaved independent sets, and the volume they fill."""
    sets = [drawn_wavevectors(model, count // GROUPS, [seed, group]) for group in range(GROUPS)]
    return np.stack([k for k, _ in sets], axis=1).reshape(count, -1), sets[0][1]


def placed(box: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(count, d) places, evenly spread over a region and independent of k."""
    u = np.random.default_rng([seed, GROUPS]).random((count, len(box)))
    return np.asarray(box[:, 0] + u * (box[:, 1] - box[:, 0]))


def occupation(energy: np.ndarray, mu: float, kt: float) -> np.ndarray:
    """Fermi function, a step at T = 0."""
    from scipy.special import expit

    if kt == 0:
        return np.where(energy < mu, 1.0, np.where(energy == mu, 0.5, 0.0))
    return np.asarray(expit((mu - energy) / kt))


def as_region(region: Any, dimension: int) -> np.ndarray | None:
    """(d, 2) least and largest x."""
    if region is None:
        return None
    box = as_real_array(region, "region", max_ndim=2)
    if box.shape != (dimension, 2) or not (box[:, 0] < box[:, 1]).all():
        must = f"have shape ({dimension}, 2), the least and the largest x along every axis"
        raise fail("region", must, f"is {np.asarray(region).tolist()}")
    return box


AVERAGE = Quantity(
    name="average",
    title="Averages over an ensemble of wave packets",
    symbol="<F>",
    equation="<F>(t) = sum_i w_i F_i(t)/sum_i w_i;  current density -e sum_i w_i v_i(t)",
    references=("Xiao2010",),
    units={(system, d): (1.0, "") for system in ("NATURAL", "EV_ANGSTROM") for d in (1, 2, 3)},
    valid_for="packets that stand for independent electrons; an error for at least 16 packets in independent sets",
    not_included="the systematic errors of the trajectories, which the run itself reports",
    conventions="electron charge -e; weights of packets that stopped before are left out from then on",
    options={"quantity": ", ".join(AVERAGED)},
    explanation="The mean over packets, with Student's bar from the scatter of 16 independent sets of packets.",
)


def average(run: xr.Dataset, quantity: str) -> xr.Dataset:
    """Weighed mean over the packets of a run, with its statistical error.

        <F>(t) = sum_i w_i F_i(t)/sum_i w_i,     current density = -e sum_i w_i v_i(t)

    Source: [Xiao2010] Sec. III.  Valid for: packet i in independent set i mod 16, as `ensemble` makes them.
    Not included: errors of the trajectories.

    Parameters
    ----------
    run : Dataset
        Of `propagate`.
    quantity : str
        "position", "wavevector", "velocity", "energy", or "current": current density in units of e times those of
        velocity and of 1/(volume of k space over (2 pi)^d).

    Returns
    -------
    Dataset
        ``value``, ``error`` with dims (time, a), for energies (time,): Student's bar of 99 %; ``weight`` (time,), of
        packets still moving.

    Raises
    ------
    ValueError
        Not a run, another quantity, or fewer than 16 packets.

    Examples
    --------
    k moves along the field, alike in all packets.

    >>> import blochflow as bf
    >>> packets = bf.ensemble(bf.zoo.haldane(), mu=-1.0, temperature=0.1, count=64, seed=1)
    >>> run = bf.propagate(bf.zoo.haldane(), packets, [0.0, 5.0], electric_field=[0.05, 0.0], estimate_error=False)
    >>> k = bf.average(run, "wavevector").value
    >>> [round(float(x), 6) for x in k[1] - k[0]]
    [-0.25, 0.0]
    """
    import xarray as xr

    name = as_choice(quantity, "quantity", AVERAGED)
    if not isinstance(run, xr.Dataset) or run.attrs.get("quantity") != "propagate":
        raise fail("run", "be a Dataset of bf.propagate", f"is {type(run).__name__}")
    if run.sizes["packet"] < GROUPS:
        raise fail("run", f"hold at least {GROUPS} packets for an error", f"holds {run.sizes['packet']}")
    field = "velocity" if name == "current" else name
    values = run[field].values
    moving = np.isfinite(values.reshape(*values.shape[:2], -1)).all(axis=-1)
    weight = np.where(moving, run.weight.values[:, None], 0.0)
    sums, totals = grouped(np.where(moving[(..., *[None] * (values.ndim - 2))], values, 0.0), weight)
    shape = (..., *[None] * (values.ndim - 2))
    whole = totals.sum(axis=0)
    if name == "current":
        # each set of packets by itself is an estimate of the whole
        value, samples = -sums.sum(axis=0), -GROUPS * sums
    else:
        value = sums.sum(axis=0) / whole[shape]
        # ratio of two means: the scatter of the residuals
        samples = value + (sums - value * totals[shape]) / (whole[shape] / GROUPS)
    error = student_bar(samples, CONFIDENCE)
    dims = run[field].dims[1:]
    unit = f"e {run[field].attrs['units']} * weight" if name == "current" else run[field].attrs["units"]
    variables = {
        "value": (dims, value, {"units": unit}),
        "error": (dims, error, {"units": unit, "long_name": f"statistical, {100 * CONFIDENCE:g} %"}),
        "weight": (("time",), whole, {"long_name": "sum of the weights of packets that still move"}),
    }
    coords = {"time": run.time} | ({"a": list(CARTESIAN[: values.shape[-1]])} if "a" in dims else {})
    attrs = {**description(AVERAGE, unit), "averaged": name, "packets": run.sizes["packet"]}
    return xr.Dataset(variables, coords=coords, attrs=attrs)


def grouped(values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of w F (G, T, ..) and of w (G, T) over packets i with equal i mod G."""
    group = np.arange(len(weight)) % GROUPS
    weighed = weight.reshape(*weight.shape, *[1] * (values.ndim - 2)) * values
    sums = np.stack([weighed[group == g].sum(axis=0) for g in range(GROUPS)])
    return sums, np.stack([weight[group == g].sum(axis=0) for g in range(GROUPS)])
