"""Disordered responses at band edges, in gaps, at the cutoff and at saddles: a number, a note or a clear error.

The critical energies are known in closed form: -+|M| of the cone, -h and h and -(lam^2 + h^2/lam^2)/2 of Rashba bands,
-+(2 + m), -+(2 - m) and -+m of the lattice.
"""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

import blochflow as bf
from blochflow.response.critical_energies import critical_points
from disorder_models import ONE, dirac, pocket, qwz, rashba, white

# Edges are where disorder is not weak, and every result warns so.
pytestmark = pytest.mark.filterwarnings("ignore::blochflow.ValidityWarning")
ROUGH = {"tolerance": bf.Tolerance(1e-3)}


def lattice():
    return qwz(1.2, 0.0, 0.0)


def two_parabolas():
    """Two parabolas: a band edge in the middle of the energies of another pocket."""
    return bf.ContinuumModel(
        lambda k: jnp.diag(jnp.array([(k @ k) / 2, (k @ k) / 2 + 0.4])).astype(complex) + 0 * k[0] * ONE, 2, cutoff=3.0
    )


def compute(model, mu, temperature=0.0, **options):
    return bf.response.disordered_conductivity(model, mu, temperature, disorder=white(0.1), **ROUGH, **options)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (dirac, [(-0.3, "top"), (0.3, "bottom")]),
        (rashba, [(-0.205, "bottom"), (-0.2, "maximum"), (0.2, "bottom")]),
        (
            lattice,
            [(-3.2, "bottom"), (-1.2, "saddle"), (-0.8, "top"), (0.8, "bottom"), (1.2, "saddle"), (3.2, "top")],
        ),
        (bf.zoo.cubic, [(-6.0, "bottom"), (-2.0, "saddle"), (2.0, "saddle"), (6.0, "top")]),
    ],
)
def test_critical_energies(build, expected):
    found = [(x.energy, x.kind) for x in critical_points(build()) if not x.at_cutoff]
    assert [kind for _, kind in found] == [kind for _, kind in expected]
    # quadratic extrema: the energy is exact to rounding where k is to its root
    np.testing.assert_allclose([e for e, _ in found], [e for e, _ in expected], atol=1e-12)


AT_PLACES = {
    "edge of a k.p band": (dirac, 0.3, r"is that of the bottom of band 1 at k = \[0.0, 0.0\]; shift mu.*temperature"),
    "top of the valence band": (dirac, -0.3, "is that of the top of band 0"),
    "edge above another pocket": (two_parabolas, 0.4, "is that of the bottom of band 1"),
    "inner maximum": (rashba, -0.2, "is that of the maximum of band 0"),
    "edge of a lattice band": (lattice, 3.2, r"is that of the top of band 1 at k = \[3.141593, 3.141593\]"),
    "saddle in two dimensions": (lattice, 1.2, r"is that of the saddle of band 1.*shift mu by more than hbar/tau\.$"),
    "saddle in three dimensions": (bf.zoo.cubic, 2.0, "is that of the saddle of band 0"),
    "near a saddle": (bf.zoo.cubic, 2.0 + 1e-5, "1e-05 E from the saddle of band 0.*shift mu, or use a finer `grid`"),
    "above the cutoff": (dirac, 100.0, "top of band 1.*at the cutoff, is 4.01123 E; raise `cutoff`"),
    "below the cutoff": (pocket, -4.0, "bottom of band 0.*at the cutoff.*raise `cutoff`"),
    "open pocket": (lambda: dirac(anisotropy=0.7, tilt=(0.3, 0.1), cutoff=1.0), 1.0, r"ends at \|k\| = 1; raise"),
}


@pytest.mark.parametrize("place", AT_PLACES)
def test_places_without_an_answer_are_named(place):
    build, mu, message = AT_PLACES[place]
    with pytest.raises(ValueError, match=message):
        compute(build(), mu)


@pytest.mark.parametrize(("build", "mu"), [(dirac, 0.1), (lattice, -0.5), (lattice, 5.0), (bf.zoo.cubic, -7.0)])
def test_gaps_and_empty_bands_leave_the_intrinsic_part(build, mu):
    result = compute(build(), mu)
    assert "no band crosses" in result.attrs["note"]
    np.testing.assert_array_equal(result.value, result.intrinsic)
    for part in ("drude", "extrinsic_velocity", "side_jump", "skew_scattering"):
        np.testing.assert_array_equal(result[part], 0.0)


@pytest.mark.parametrize("above", [1e-6, 1e-3])
def test_just_above_an_edge_the_closed_forms_hold(above):
    """The cone of mass .3 (see reference/test_disordered_tables.py): small pockets lose nothing but validity."""
    mass, mu = 0.3, 0.3 + above
    result = compute(dirac(mass), mu).sel(a="y", b="x")
    k2 = mu**2 - mass**2
    # k2 itself is known to eps mu^2/k2
    assert result.side_jump.item() == pytest.approx(k2 * mass / (2 * np.pi * mu * (4 * mass**2 + k2)), rel=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize(("mu", "kt"), [(0.3, 0.02), (0.0, 0.05)])
def test_warm_carriers_at_edges_are_an_integral(mu, kt):
    """The Drude part is Int d eps (-f') sigma(eps), with 1/tau_tr = pi u2 rho (1 + 3 xi^2)/2 of the cone."""
    from scipy.integrate import quad

    mass = 0.3

    def weighed(energy):
        xi2 = (mass / energy) ** 2
        cold = (1 - xi2) / (np.pi * 0.1 * (1 + 3 * xi2))
        return cold / (4 * kt * np.cosh((energy - mu) / (2 * kt)) ** 2)

    expected = quad(weighed, mass, mass + 30 * kt)[0] + quad(weighed, -mass - 30 * kt, -mass)[0]
    result = compute(dirac(mass), mu, kt)
    got, error = result.drude.sel(a="x", b="x").item(), result.drude_error.sel(a="x", b="x").item()
    # the energy window leaves out 1e-10 of the carriers
    assert abs(got - expected) <= error + 1e-9 * expected
    assert error < 2e-3 * expected
    assert result.converged.all()


def of_the_square_lattice(mu, kt):
    """Drude part of -2 (cos kx + cos ky) in white noise .1, no surface needed.

    rho = K(1 - (E/4)^2)/(2 pi^2),   sum delta v_x^2 = sum theta d^2 E/dkx^2 = -(1/2) Int E rho,   1/tau = 2 pi .1 rho
    """
    from scipy.integrate import quad
    from scipy.special import ellipkm1

    def density(energy):
        return ellipkm1((energy / 4) ** 2) / (2 * np.pi**2)

    def weighed(energy):
        square = 0.5 * quad(lambda x: x * density(x), abs(energy), 4, epsrel=1e-10)[0]
        cold = square / (2 * np.pi * 0.1 * density(energy))
        return cold / (4 * kt * np.cosh((energy - mu) / (2 * kt)) ** 2)

    steps = np.geomspace(1e-8, 4, 20)
    ends = [*-steps[::-1], *steps]
    near = [x for x in ends if abs(x - mu) < 30 * kt]
    return sum(quad(weighed, a, b, epsrel=1e-8)[0] for a, b in itertools.pairwise(near))


@pytest.mark.slow
@pytest.mark.parametrize("mu", [0.0, 0.02])
def test_warm_carriers_at_a_saddle_are_an_integral(mu):
    """mu at the van Hove energy of the square lattice, and near it."""
    kt = 0.1
    result = bf.response.disordered_conductivity(
        bf.zoo.square(), mu, kt, disorder=white(0.1), tolerance=bf.Tolerance(1e-2)
    )
    expected = of_the_square_lattice(mu, kt)
    got, error = (result[x].sel(a="x", b="x").item() for x in ("drude", "drude_error"))
    assert abs(got - expected) <= error < 0.01 * expected
    assert result.converged.all()


def test_ends_of_the_energy_window_keep_clear_of_critical_energies():
    from blochflow.response.energy_window import clear_of

    assert clear_of(np.array([-1.0, 0.0, 0.99]), -1.02, 1.0, 0.05) == pytest.approx((-0.95, 0.94))
    assert clear_of(np.array([0.0]), -1.0, 1.0, 0.05) == pytest.approx((-1.0, 1.0))


@pytest.mark.slow
def test_warm_carriers_at_a_saddle_of_a_lattice_with_two_bands(monkeypatch):
    """Against Gauss panels in ln |eps - mu|; the other saddle lies at the end of the window; energies as predicted."""
    from blochflow.response import disordered_result, fermi_parts
    from blochflow.response.warm_parts import energies_at, warm_parts

    mu, kt, requests, seen = 1.2, 0.1, [], fermi_parts.Diagnostics()

    def noted(request, *arguments):
        requests.append(request)
        return warm_parts(request, *arguments)

    monkeypatch.setattr(disordered_result, "warm_parts", noted)
    counted = []
    at = fermi_parts.FermiParts.at
    monkeypatch.setattr(fermi_parts.FermiParts, "at", lambda *x: counted.append(x) or at(*x))
    result = compute(lattice(), mu, kt)
    _, fewest, most = energies_at(requests[0], mu, kt)
    assert 0.5 * fewest < len(counted) < 2 * most
    ends, (nodes, weights) = np.log(np.geomspace(1e-6, 2.0, 12)), np.polynomial.legendre.leggauss(6)
    expected = 0.0
    for low, high in itertools.pairwise(ends):
        for x, w in zip(np.exp(low + 0.5 * (high - low) * (nodes + 1)), 0.5 * (high - low) * weights, strict=True):
            for energy in (mu - x, mu + x):
                occupied = 1 / (4 * kt * np.cosh((energy - mu) / (2 * kt)) ** 2)
                # the band begins at 0.8; at the other one -f' is 1e-9
                if energy > 0.8:
                    expected += w * x * occupied * at(requests[0], energy, (None, 128), seen)[0, 0, 0]
    got, error = (result[x].sel(a="x", b="x").item() for x in ("drude", "drude_error"))
    # panels in ln x cut the band edge
    assert abs(got - expected) <= error + 1e-3 * expected
    assert error < 1e-3 * expected
    assert result.converged.all()


def test_the_end_of_an_integral_at_a_logarithm_is_exact_and_at_its_inverse_bounded():
    """chi = 1 - ln h, and 1/(3 - ln h), whose integral to delta is known by series; coarse surfaces as good as fine."""
    from scipy.integrate import quad

    from blochflow.response.saddle_energies import saddle_end

    functions = (lambda h: 1 - np.log(h), lambda h: 1 / (3 - np.log(h)))

    def pair(energy):
        values = np.array([f(abs(energy)) for f in functions])[:, None, None]
        return values, values

    allowed = np.full((2, 1, 1), 1e-2)
    for side in (-1.0, 1.0):
        end = saddle_end(pair, lambda energy: 1.0, 0.0, side, 0.1, allowed)
        assert end.steps[-1] == side * end.delta
        for i, f in enumerate(functions):
            exact = quad(f, 0, end.delta, epsrel=1e-10)[0]
            assert abs(end.value[i, 0, 0] - exact) <= (1e-9 if i == 0 else 0.5) * end.error[i, 0, 0]


def test_two_saddles_that_are_too_close_to_be_told_apart_are_one():
    """1 - (ln |h - c| + ln |h + c|)/2 between -delta - c and delta + c; inside, the value is uncertain by itself."""
    from scipy.integrate import quad

    from blochflow.response.saddle_energies import through_saddle

    half = 1e-4

    def value(h):
        return 1 - 0.5 * (np.log(abs(h - half)) + np.log(abs(h + half)))

    def pair(energy):
        return (np.full((1, 1, 1), value(energy)),) * 2

    below, above = through_saddle(pair, lambda energy: 1.0, (-half, half), (0.1, 0.1), np.full((1, 1, 1), 1e-2))
    ends = [-half - below.delta, -half, 0, half, half + above.delta]
    exact = sum(quad(value, a, b, epsrel=1e-8)[0] for a, b in itertools.pairwise(ends))
    error = (below.error + above.error).item()
    assert abs((below.value + above.value).item() - exact) <= error < 1e-2


def test_saddles_whose_surroundings_are_not_resolved_are_refused():
    from blochflow.response.fermi_parts import Unresolved
    from blochflow.response.saddle_energies import saddle_end

    def pair(energy):
        if abs(energy) < 0.05:
            raise Unresolved("a surface near the saddle is not resolved")
        return np.ones((1, 1, 1)), np.ones((1, 1, 1))

    with pytest.raises(Unresolved, match="near the saddle"):
        saddle_end(pair, lambda energy: 1.0, 0.0, 1.0, 0.1, np.full((1, 1, 1), 1e-3))


def test_a_small_pocket_in_a_large_cutoff_is_found():
    """k_F is a fifteenth of the cutoff: the coarsest meshes do not resolve the sphere, finer ones do."""
    model = bf.ContinuumModel(lambda k: jnp.array([[(k @ k) / 2]], dtype=complex), 3, cutoff=3.0)
    result = compute(model, 0.02)
    # rho = k_F/(2 pi^2), 1/tau = 2 pi u2 rho, sigma = n tau
    k = 0.2
    expected = k**3 / (6 * np.pi**2) / (2 * np.pi * 0.1 * k / (2 * np.pi**2))
    drude, error = (result[n].sel(a="x", b="x").item() for n in ("drude", "drude_error"))
    assert abs(drude - expected) <= error < 1e-3 * expected
