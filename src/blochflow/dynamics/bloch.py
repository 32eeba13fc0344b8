"""Bloch oscillations of a wave packet in a uniform electric field along a reciprocal vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_index, as_real_array, as_wavevectors, fail
from blochflow.core.dataset import CARTESIAN, description, provenance
from blochflow.dynamics.magnetic_axis import whole_multiples
from blochflow.dynamics.orbit_catalog import BLOCH_OSCILLATION
from blochflow.geometry.bands import bands
from blochflow.geometry.curvature import berry_curvature
from blochflow.models.base import AbstractModel, as_model
from blochflow.models.fields import time_unit

if TYPE_CHECKING:
    import xarray as xr

FIRST, MOST = 64, 2**15  # points on the line
TOLERANCE = 1e-12  # of the drift in lattice constants, and of energies


@dataclass(frozen=True)
class _Line:
    """Energies and means on a closed line of k: span of energies, mean velocity and Omega.E (d,), gap, adiabaticity."""

    span: float
    velocity: np.ndarray
    anomalous: np.ndarray
    gap: float
    adiabaticity: float


def bloch_oscillation(model: AbstractModel, k: Any, electric_field: Any, *, band: int = 0) -> xr.Dataset:
    """Period, amplitude and transverse drift of Bloch oscillations.

        T_B = hbar|G|/(e|E|),   amplitude = (max E_n - min E_n on the line)/(e|E|)
        drift_a = Int_0^T [d_a E_n/hbar + (e/hbar) Omega_ab E_b] dt

    with G the shortest reciprocal vector along E.  For E along x the drift along y is Int v_y dt - (closed line taken
    in the +k_x direction) Int Omega_z dk_x.

    Source: [AshcroftMermin1976] ch. 12; [Xiao2010] Sec. III.  Valid for: one band apart from the others, weak fields.
    Not included: Zener transitions, scattering.

    Parameters
    ----------
    model : AbstractModel
    k : (d,) or (K, d) array
        Wave vectors through which the packets pass.
    electric_field : (d,) array
        In one dimension also a number.
    band : int

    Returns
    -------
    Dataset
        ``period`` (scalar); dims (packet): ``amplitude`` (peak to peak, along E), ``gap`` (smallest on the line),
        ``adiabaticity`` (largest e|E.A_nm|/gap); (packet, a): ``drift`` with its parts ``drift_velocity`` and
        ``drift_curvature``; (a): ``reciprocal_vector``; (packet): ``error`` of the drift.  All are NaN, and ``note``
        says so, where E points along no reciprocal vector (with indices up to 12) or the model has no lattice.

    Raises
    ------
    ValueError
        A field of zero or of the wrong shape, a wrong band.
    DegenerateBandsError
        The band touches another one on the line; names k.

    Examples
    --------
    >>> import blochflow as bf
    >>> chain = bf.TightBinding([[1.0]], [[0.0]], [(-0.5, 0, 0, (1,))])              # E = -cos k
    >>> motion = bf.orbits.bloch_oscillation(chain, [0.3], 0.2)
    >>> round(motion.period.item(), 10), round(motion.amplitude.item(), 10)
    (31.4159265359, 10.0)
    """
    model = as_model(model)
    start, field, index = check_arguments(model, k, electric_field, band=band)
    vector, note = reciprocal_along(model, field)
    if vector is None:
        lines, errors = None, np.full(len(start), np.nan)
    else:
        pairs = [_converged(model, k0, vector, field, index) for k0 in start]
        lines, errors = [line for line, _ in pairs], np.array([error for _, error in pairs])
    return _as_dataset(model, start, field, index, vector, lines, errors, note)


def check_arguments(
    model: AbstractModel, k: Any, electric_field: Any, *, band: Any = 0
) -> tuple[np.ndarray, np.ndarray, int]:
    """Wave vectors (K, d), field (d,) and band; ValueError where an argument cannot be meant."""
    d = model.dimension
    start = np.atleast_2d(as_wavevectors(k, d))
    field = np.atleast_1d(as_real_array(electric_field, "electric_field"))
    if field.shape != (d,):
        raise fail("electric_field", f"be a vector ({d},)", f"has shape {field.shape}")
    if not field.any():
        raise fail("electric_field", "not be zero: without a field nothing oscillates", "is")
    must = f"be a band index from 0 to {model.num_bands - 1}"
    index = as_index(band, "band", must)
    if not 0 <= index < model.num_bands:
        raise fail("band", must, f"is {band!r}")
    return start, field, index


def reciprocal_along(model: AbstractModel, field: np.ndarray) -> tuple[np.ndarray | None, str]:
    """The shortest reciprocal vector along a field, or why there is none."""
    if model.lattice is None:
        return None, "a k.p model has no reciprocal lattice: k leaves its cutoff, and nothing oscillates"
    whole = whole_multiples(field @ np.asarray(model.lattice.vectors).T)
    if whole is None:
        return None, "the field points along no reciprocal vector: the motion has no period"
    return whole @ np.asarray(model.lattice.reciprocal), ""


def _converged(
    model: AbstractModel, k: np.ndarray, vector: np.ndarray, field: np.ndarray, band: int
) -> tuple[_Line, float]:
    """Means over equal steps of a periodic line, which converge exponentially; error of the drift per unit time."""
    number, before = FIRST, None
    while True:
        line = _means(model, k, vector, field, band, number)
        if before is not None:
            change = np.abs(line.velocity + line.anomalous - before.velocity - before.anomalous).max()
            size = np.abs(line.velocity).max() + np.abs(line.anomalous).max()
            small = change <= TOLERANCE * max(size, line.span / float(np.linalg.norm(vector)))
            if small or number >= MOST:
                return line, float(change)
        number, before = 2 * number, line


def _means(model: AbstractModel, k: np.ndarray, vector: np.ndarray, field: np.ndarray, band: int, number: int) -> _Line:
    s = np.arange(number) / number
    solved = bands(model, k - s[:, None] * vector)
    energies = np.asarray(solved.energies)
    velocity = np.einsum("kann->kan", np.asarray(solved.velocity)).real[:, :, band]
    omega = np.asarray(berry_curvature(solved))[..., band]
    apart = np.abs(np.delete(energies, band, axis=1) - energies[:, band, None])
    gap = float(apart.min(initial=np.inf))
    mixing = np.abs(np.einsum("kam,a->km", np.delete(np.asarray(solved.velocity)[..., band], band, axis=2), field))
    size = float((mixing / apart**2).max(initial=0.0))
    # an extremum lies between points: Newton steps of the energy's own interpolation
    span = _extreme(energies[:, band], 1.0) + _extreme(energies[:, band], -1.0)
    return _Line(span, velocity.mean(axis=0), (omega @ field).mean(axis=0), gap, size)


def _extreme(values: np.ndarray, sign: float) -> float:
    """Largest sign times the trigonometric polynomial through equally spaced values."""
    modes = np.fft.fft(sign * values) / len(values)
    order = np.fft.fftfreq(len(values), 1 / len(values))
    near = np.argsort(-sign * values)[:4]
    best = float((sign * values).max())
    for s in near / len(values):
        for _ in range(8):
            waves = modes * np.exp(2j * np.pi * order * s)
            first = float((2j * np.pi * order * waves).sum().real)
            second = float(((2j * np.pi * order) ** 2 * waves).sum().real)
            if second >= 0 or abs(first / second) > 1 / len(values):
                break
            s = s - first / second
            best = max(best, float((modes * np.exp(2j * np.pi * order * s)).sum().real))
    return best


def _as_dataset(
    model: AbstractModel,
    k: np.ndarray,
    field: np.ndarray,
    band: int,
    vector: np.ndarray | None,
    lines: list[_Line] | None,
    errors: np.ndarray,
    note: str,
) -> xr.Dataset:
    import xarray as xr

    units, d, strength = model.units, model.dimension, float(np.linalg.norm(field))
    period = np.nan if vector is None else float(np.linalg.norm(vector)) / strength
    none = _Line(np.nan, np.full(d, np.nan), np.full(d, np.nan), np.nan, np.nan)
    rows = lines if lines is not None else [none] * len(k)
    velocity, curvature = (period * np.array([getattr(x, name) for x in rows]) for name in ("velocity", "anomalous"))
    along = field / strength
    # the parts along the field vanish: k returns, and the anomalous velocity is perpendicular
    velocity, curvature = (x - np.outer(x @ along, along) for x in (velocity, curvature))
    length = {"units": units.length}
    spans = np.array([x.span for x in rows])
    variables = {
        "period": ((), time_unit(units) * period, {"units": units.time, "long_name": "T_B"}),
        "amplitude": (
            ("packet",),
            spans / strength,
            {**length, "long_name": "peak to peak"},
        ),
        "drift": (("packet", "a"), velocity + curvature, {**length, "long_name": "displacement in one period"}),
        "drift_velocity": (("packet", "a"), velocity, {**length, "long_name": "of the velocity d_k E"}),
        "drift_curvature": (("packet", "a"), curvature, {**length, "long_name": "of the anomalous velocity"}),
        "error": (("packet",), period * errors, {**length, "long_name": "error of the drift"}),
        "gap": (("packet",), np.array([x.gap for x in rows]), {"units": units.energy}),
        "adiabaticity": (("packet",), np.array([x.adiabaticity for x in rows]), {"units": "1"}),
        "wavevector": (("packet", "a"), k, {"units": f"1/{units.length}"}),
        "reciprocal_vector": (("a",), np.full(d, np.nan) if vector is None else vector, {"units": f"1/{units.length}"}),
    }
    attrs = {
        **description(BLOCH_OSCILLATION, units.time),
        **provenance(model, [k, field], str(band)),
        "status": "CONVERGED" if vector is not None else "NO_PERIOD",
        "status_message": note or "means over the line converged",
        "note": note,
        "band": band,
        "electric_field": field,
    }
    return xr.Dataset(variables, coords={"a": list(CARTESIAN[:d]), "packet": np.arange(len(k))}, attrs=attrs)
