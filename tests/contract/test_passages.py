"""Avoided crossings along a line of k: where they are, how they are passed, what has no answer."""

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jnp
from finite_field_models import random_unitary


def test_passages_refuse_what_has_no_answer():
    chain = bf.zoo.rice_mele()
    with pytest.raises(ValueError, match="`velocity` must be greater than 0"):
        bf.nonadiabatic.landau_zener(0.1, 0.0, 0.1)
    with pytest.raises(ValueError, match="`units` must be bf.NATURAL or bf.EV_ANGSTROM, but is 'EV_ANGSTROM'"):
        bf.nonadiabatic.landau_zener(0.1, 1.0, 0.1, units="EV_ANGSTROM")
    with pytest.raises(ValueError, match=r"`gap` must broadcast .*`gap` has shape \(2,\), `velocity` has shape \(3,\)"):
        bf.nonadiabatic.landau_zener([0.1, 0.2], [1.0, 2.0, 3.0], 0.1)
    with pytest.raises(ValueError, match="`electric_field` must not be zero"):
        bf.nonadiabatic.avoided_crossing(chain, [0.0], [0.0])
    with pytest.raises(ValueError, match="`band` must be the lower of two bands, from 0 to 0"):
        bf.nonadiabatic.avoided_crossing(chain, [0.0], [0.1], band=1)
    with pytest.raises(ValueError, match="`extent` must be at most 100 times the zone, 628.3, but is 700"):
        bf.nonadiabatic.avoided_crossing(chain, [0.0], [0.1], extent=700.0)
    with pytest.raises(ValueError, match="point along a reciprocal vector"):
        bf.nonadiabatic.bloch_zener(bf.zoo.qwz(), [0.0, 0.0], [1.0, np.pi])
    assert bf.nonadiabatic.avoided_crossing(bf.zoo.rice_mele(t_inter=0.0), [0.0], [0.1]).sizes["crossing"] == 0


def test_crossing_of_a_chain():
    """The gap of the Rice-Mele chain is smallest at k = pi: 2 (m^2 + (t - t')^2)^(1/2), v^2 = t t' for hbar = 1."""
    chain = bf.zoo.rice_mele(t_intra=1.0, t_inter=0.9, mass=0.05)
    found = bf.nonadiabatic.avoided_crossing(chain, [0.3], [0.2])
    np.testing.assert_allclose(found.gap, 2 * np.hypot(0.05, 0.1), rtol=1e-10)
    np.testing.assert_allclose(np.abs(np.cos(found.wavevector.values)), 1, atol=1e-9)
    # (1 + q^2/2): E^2 = m^2 + (t-t')^2 + t t' q^2, so that v = (t t')^(1/2), less what turns with the phase of q
    np.testing.assert_allclose(found.hyperbola, 1, atol=0.01)
    np.testing.assert_allclose(found.velocity, np.sqrt(0.9), rtol=0.01)


def time_reversal_symmetric_doublets(k):
    """Spins of opposite Chern numbers with a term that mixes them: with inversion times time reversal."""
    sx, sy, sz = (jnp.array(m, dtype=complex) for m in ([[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]))
    h = jnp.sin(k[0]) * jnp.kron(sx, sz) + jnp.sin(k[1]) * jnp.kron(sy, jnp.eye(2))
    h = h + (-1.0 + jnp.cos(k[0]) + jnp.cos(k[1])) * jnp.kron(sz, jnp.eye(2))
    return h + 0.35 * jnp.sin(k[0] + 0.5 * jnp.sin(k[1])) * jnp.kron(sx, sx)


def test_crossings_of_doublets_do_not_depend_on_the_states_in_them():
    """A cone of four bands: v = 1; a model with inversion times time reversal whose spins are turned."""
    cone = bf.nonadiabatic.avoided_crossing(bf.zoo.four_band_dirac(mass=0.1), [0.3, 0.05, 0.02], [0.05, 0, 0], band=1)
    np.testing.assert_allclose(cone.velocity, 1, rtol=1e-9)
    np.testing.assert_allclose(cone.hyperbola, 1, rtol=1e-9)
    np.testing.assert_allclose(cone.probability, np.exp(-np.pi * (0.1**2 + 0.05**2 + 0.02**2) / 0.05), rtol=1e-9)
    spin = jnp.asarray(np.kron(np.eye(2), random_unitary(3)))

    def doublets(turned):
        u = spin if turned else jnp.eye(4)
        return bf.LatticeModel(lambda k: u @ time_reversal_symmetric_doublets(k) @ u.conj().T, np.eye(2))

    one, two = (bf.nonadiabatic.avoided_crossing(doublets(x), [0.4, 0.2], [0.1, 0.0], band=1) for x in (False, True))
    assert one.sizes["crossing"] == 2
    for name in ("gap", "velocity", "probability", "hyperbola"):
        # places are found to the root of the rounding error
        np.testing.assert_allclose(two[name], one[name], rtol=1e-6)
    for band, words in ((0, "bands 0, 1 .*Take band=1, its last"), (2, "bands 2, 3 .*Take band=1 for passages from")):
        with pytest.raises(bf.DegenerateBandsError, match=words):
            bf.nonadiabatic.avoided_crossing(doublets(False), [0.4, 0.2], [0.1, 0.0], band=band)


def test_states_of_a_doublet_that_pass_differently_are_refused():
    x, z = jnp.array([[0, 1], [1, 0]]), jnp.array([[1, 0], [0, -1]])
    copies = bf.LatticeModel(
        lambda k: jnp.kron(jnp.diag(jnp.array([1.0, 1.5])), jnp.sin(k[0]) * x) + 0.1 * jnp.kron(jnp.eye(2), z), [[1.0]]
    )
    with pytest.raises(bf.DegenerateBandsError, match=r"bands 0, 1, 2, 3 .* different couplings .*, 1.5, 1: no single"):
        bf.nonadiabatic.avoided_crossing(copies, [0.3], [0.05], band=1)


@pytest.mark.parametrize("mass", [0.0, 1e-12, 1e-6])
def test_bands_that_cross_are_passed_with_certainty(mass):
    for cone, k, band in ((bf.zoo.massive_dirac, [0.3, 0.0], 0), (bf.zoo.four_band_dirac, [0.3, 0.0, 0.0], 1)):
        field = [0.05, *np.zeros(len(k) - 1)]
        found = bf.nonadiabatic.avoided_crossing(cone(mass=mass), k, field, band=band)
        np.testing.assert_allclose(found.velocity, 1, rtol=1e-9)
        # exp(-pi m^2/E)
        np.testing.assert_allclose(found.probability, 1, rtol=1e-10)
        np.testing.assert_allclose(found.distance, 0.3, rtol=1e-9)


def test_two_chains_cross_where_their_energies_do():
    """-2 cos k + 0.6 = 2 cos k, each with slope 2 |sin k|; bands that touch without crossing are not passed."""
    hoppings = [(-1.0, 0, 0, (1,)), (1.0, 1, 1, (1,)), (0.6, 0, 0, (0,))]
    chains = bf.TightBinding([[1.0]], [[0.0], [0.0]], hoppings)
    found = bf.nonadiabatic.avoided_crossing(chains, [0.1], [0.05])
    np.testing.assert_array_equal(found.probability, [1, 1])
    np.testing.assert_allclose(np.cos(found.wavevector.values[:, 0]), 0.15, atol=1e-12)
    np.testing.assert_allclose(found.velocity, 2 * np.sqrt(1 - 0.15**2), rtol=1e-10)
    x = jnp.array([[0, 1], [1, 0]])
    touch = bf.LatticeModel(lambda k: (1 - jnp.cos(k[0])) * x, [[1.0]])
    found = bf.nonadiabatic.avoided_crossing(touch, [0.3], [0.05])
    np.testing.assert_array_equal([found.velocity, found.probability], [[0], [0]])


def levelled(k):
    """Two lines that cross with no slope."""
    return jnp.sin(k[0]) ** 3 * jnp.array([[1, 0], [0, -1]], dtype=complex)


def turned(k):
    """The same in a basis that turns along the line."""
    c, s = jnp.cos(k[0]), jnp.sin(k[0])
    basis = jnp.array([[c, -s], [s, c]])
    return basis @ levelled(k) @ basis.T


def doubled(k):
    """Two of them, in a mixed basis."""
    u = jnp.asarray(np.kron(np.eye(2), random_unitary(4)))
    return u @ jnp.kron(levelled(k), jnp.eye(2)) @ u.conj().T


@pytest.mark.parametrize(("h", "band"), [(levelled, 0), (turned, 0), (doubled, 1)])
def test_lines_that_cross_with_no_slope_are_passed(h, band):
    """Bands change their order at k = 0 and pi: an electron of a line that is by itself stays on it."""
    found = bf.nonadiabatic.avoided_crossing(bf.LatticeModel(h, [[1.0]]), [0.3], [0.1], band=band)
    np.testing.assert_array_equal([found.velocity, found.probability], [[0, 0], [1, 1]])


def test_lines_that_cross_between_others_that_touch():
    """Of +-sin^3, which cross at k = 0, and +-sin^2, which touch there, the inner pair is that of the cubes."""

    def h(k):
        s = jnp.sin(k[0])
        return jnp.diag(jnp.array([s**3, -(s**3), s**2, -(s**2)])).astype(complex)

    found = bf.nonadiabatic.avoided_crossing(bf.LatticeModel(h, [[1.0]]), [0.3], [0.1], band=1)
    np.testing.assert_array_equal(found.probability, [1, 1])


def test_lines_that_lie_on_each_other_for_a_while_are_refused():
    """sin^9 is below rounding on a tenth of the line: nothing tells whether lines cross there."""

    def h(k):
        return jnp.sin(k[0]) ** 9 * jnp.array([[1, 0], [0, -1]], dtype=complex)

    with pytest.raises(bf.DegenerateBandsError, match="coincide on a part of the line"):
        bf.nonadiabatic.avoided_crossing(bf.LatticeModel(h, [[1.0]]), [0.3], [0.1])


@pytest.mark.parametrize("zones", [1, 40])
def test_every_crossing_of_a_long_line_is_found(zones):
    """cos k sigma_z + m sigma_x: two passages in each zone, with gap 2 m, v = 1, hbar = 1."""

    def h(k):
        return jnp.array([[jnp.cos(k[0]), 0.05], [0.05, -jnp.cos(k[0])]]) + 0j

    found = bf.nonadiabatic.avoided_crossing(bf.LatticeModel(h, [[1.0]]), [0.3], [0.1], extent=2 * np.pi * zones)
    assert found.sizes["crossing"] == 2 * zones
    np.testing.assert_allclose(np.diff(found.distance), np.pi, atol=1e-6)
    np.testing.assert_allclose(found.probability, np.exp(-np.pi * 0.05**2 / 0.1), rtol=1e-9)
