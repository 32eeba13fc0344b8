"""Quantum metric, quantum geometric tensor and band-normalised metric.

    Q_ab = g_ab - (i/2) Omega_ab = sum_{m != n} A_nm,a A_mn,b          (Q positive semidefinite)
    T_ab = 2 sum_{m != n} Re(A_nm,a A_mn,b)/(E_m - E_n),   G_ab = -T_ab

A is the interband connection; sums over a group run over n inside and m outside, so that pairs within the group never
enter: the trace over a group is the metric of its projector, not the sum of the single-band metrics.
All of it is within the basis of the model: bands that the basis leaves out would add to g (never to the sign), and
orbital positions are part of the model (moving an orbital changes g and Omega at each k).
Source: Provost and Vallee, Commun. Math. Phys. 76, 289 (1980); Marzari and Vanderbilt, PRB 56, 12847 (1997), App. C;
Gao, Yang, Niu, PRL 112, 166601 (2014).
"""

from __future__ import annotations

from blochflow.core.backend import Array
from blochflow.geometry.bands import Bands
from blochflow.geometry.connection import evaluate, pair_sum, symmetric
from blochflow.geometry.curvature import _curvature
from blochflow.geometry.subspace import Subspace


def quantum_metric(bands: Bands, *, subspace: Subspace | None = None, degenerate: str = "raise") -> Array:
    """Quantum metric of each band, or of the projector on a group of bands.

        g_n,ab = Re<d_a u_n|(1 - |u_n><u_n|)|d_b u_n> = sum_{m != n} Re(V_a,nm V_b,mn)/(E_n - E_m)^2

    Source: Provost and Vallee, Commun. Math. Phys. 76, 289 (1980).
    Valid for: bands (groups) separated from the others.  Not included: states outside the model's basis, so that
    with Wannier functions it is the metric within the Wannier space.

    Parameters
    ----------
    bands : Bands
    subspace : Subspace, optional
        Return (1/2) Tr[d_a P d_b P] of the group's projector P: n inside, m outside the group.
    degenerate : {"raise", "nan"}
        As for `berry_curvature`.

    Returns
    -------
    (k, a, b, n) or, for a group, (k, a, b) array, symmetric in (a, b), in the model's length squared.

    Raises
    ------
    DegenerateBandsError
        A band touches another; names k, bands and gap.

    Examples
    --------
    >>> import blochflow as bf
    >>> g = bf.geometry.quantum_metric(bf.bands(bf.zoo.haldane(), [[0.3, 0.5]]))
    >>> bool((g[0, 0, 0] > 0).all())
    True
    """
    return evaluate(_metric, bands, "quantum metric", subspace, degenerate)


def _metric(energies: Array, velocity: Array, touching: Array, basis: Array | None, subspace: Subspace | None) -> Array:
    return symmetric(pair_sum(energies, velocity, touching, subspace, lambda inverse: inverse**2).real)


def quantum_geometric_tensor(bands: Bands, *, subspace: Subspace | None = None, degenerate: str = "raise") -> Array:
    """Quantum geometric tensor of each band, or of a group of bands (trace).

        Q_ab = g_ab - (i/2) Omega_ab

    Source: Berry, in "Geometric Phases in Physics" (1989), p. 7; Resta, Eur. Phys. J. B 79, 121 (2011).
    Valid for: as `quantum_metric`.  Positive semidefinite for models without position matrices; with them Omega is
    complete while g is that of the Wannier space.

    Parameters
    ----------
    bands : Bands
    subspace : Subspace, optional
    degenerate : {"raise", "nan"}
        As for `berry_curvature`.

    Returns
    -------
    (k, a, b, n) or (k, a, b) complex array, Hermitian in (a, b), in the model's length squared.

    Raises
    ------
    DegenerateBandsError
        A band touches another; names k, bands and gap.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.geometry.quantum_geometric_tensor(bf.bands(bf.zoo.haldane(), [[0.3, 0.5]])).shape
    (1, 2, 2, 2)
    """
    return evaluate(_geometric_tensor, bands, "quantum geometric tensor", subspace, degenerate)


def _geometric_tensor(
    energies: Array, velocity: Array, touching: Array, basis: Array | None, subspace: Subspace | None
) -> Array:
    metric = _metric(energies, velocity, touching, basis, subspace)
    return metric - 0.5j * _curvature(energies, velocity, touching, basis, subspace)


def band_normalised_metric(bands: Bands, *, subspace: Subspace | None = None, degenerate: str = "raise") -> Array:
    """Band-normalised quantum metric T: the polarisability of a Bloch electron by an electric field.

        T_n,ab = 2 sum_{m != n} Re(V_a,nm V_b,mn) / ((E_n - E_m)^2 (E_m - E_n))

    The field shifts the electron by a'_a = -e T_ab E_b; T is positive for the lowest band, and its sum over all
    bands is 0.  Source: Gao, Yang, Niu, PRL 112, 166601 (2014), where T = -G.
    Valid for: fields small against gap/(e |A|).  Not included: states outside the model's basis.

    Parameters
    ----------
    bands : Bands
    subspace : Subspace, optional
        Return the sum over n inside, m outside the group.
    degenerate : {"raise", "nan"}
        As for `berry_curvature`.

    Returns
    -------
    (k, a, b, n) or (k, a, b) array, symmetric in (a, b), in length squared per energy.

    Raises
    ------
    DegenerateBandsError
        A band touches another; names k, bands and gap.

    Examples
    --------
    >>> import blochflow as bf
    >>> T = bf.geometry.band_normalised_metric(bf.bands(bf.zoo.haldane(), [[0.3, 0.5]]))
    >>> bool((T[0, 0, 0, 0] > 0) & (abs(T.sum(axis=-1)) < 1e-12).all())
    True
    """
    return evaluate(_normalised, bands, "band-normalised metric", subspace, degenerate)


def _normalised(
    energies: Array, velocity: Array, touching: Array, basis: Array | None, subspace: Subspace | None
) -> Array:
    return symmetric(pair_sum(energies, velocity, touching, subspace, lambda inverse: -2.0 * inverse**3).real)


def berry_connection_polarizability(
    bands: Bands, *, subspace: Subspace | None = None, degenerate: str = "raise"
) -> Array:
    """Berry connection polarizability G = -T, the literature's name and sign of `band_normalised_metric`.

        A'_a = e G_ab E_b   (change of the Berry connection in an electric field),   G_ab = -T_ab

    Source: Gao, Yang, Niu, PRL 112, 166601 (2014); Liu et al., PRL 127, 277202 (2021).
    Valid for: as `band_normalised_metric`, whose parameters, shapes, units and errors it shares.  It is found under
    `bf.geometry` and `bf.response`; its dipole over the Fermi surface is minus `response.quantum_metric_dipole`, its
    quadratic current the part "metric" of `response.nonlinear_conductivity`.

    Parameters
    ----------
    bands : Bands
        ``bf.bands(model, k)``.
    subspace : Subspace, optional
    degenerate : {"raise", "nan"}

    Returns
    -------
    (k, a, b, n) or (k, a, b) array, symmetric in (a, b), in length squared per energy.

    Raises
    ------
    DegenerateBandsError
        A band touches another; names k, bands and gap.

    Examples
    --------
    >>> import blochflow as bf
    >>> G = bf.geometry.berry_connection_polarizability(bf.bands(bf.zoo.haldane(), [[0.3, 0.5]]))
    >>> bool(G[0, 0, 0, 0] < 0)
    True
    """
    return -band_normalised_metric(bands, subspace=subspace, degenerate=degenerate)
