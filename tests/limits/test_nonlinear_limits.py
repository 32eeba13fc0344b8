"""Closed forms of dipoles and quadratic conductivities, and the density matrix as the limit they come from."""

import warnings

import numpy as np
import pytest
from scipy.integrate import quad

import blochflow as bf
from blochflow.core.backend import jnp

R = bf.response
ONE = bf.Execution(workers=1, progress=False)
GRID = {"symmetry": False, "execution": ONE, "throw": False}
SHARP = {"tolerance": bf.Tolerance(rtol=1e-8), "execution": ONE}


@pytest.mark.slow
def test_dipole_of_a_tilted_massive_dirac_cone():
    """Sodemann and Fu, PRL 115, 216806 (2015): D_x = -(3 a m/8 pi)(mu^2 - m^2)/mu^4 to first order in the tilt a."""
    mass, mu, tilt = 0.3, 0.5, 1e-3
    model = bf.zoo.massive_dirac(mass=mass, tilt=(tilt, 0.0), cutoff=2.0)
    found = R.berry_curvature_dipole(model, mu, 0.0, **SHARP)
    expected = -3 * tilt * mass * (mu**2 - mass**2) / (8 * np.pi * mu**4)
    # the next order is a^3
    assert found.value.sel(a="x", b="x", c="y").item() == pytest.approx(expected, rel=10 * tilt**2)
    assert abs(found.value.sel(a="y", b="x", c="y").item()) == 0


@pytest.mark.slow
def test_quadratic_hall_current_of_the_dipole():
    """sigma_a;bc = tau (D_c;ab + D_b;ac)/2, twice the chi of Sodemann and Fu for one order of fields."""
    model = bf.zoo.massive_dirac(mass=0.3, tilt=(0.1, 0.0), cutoff=2.0)
    dipole = R.berry_curvature_dipole(model, 0.5, 0.05, **SHARP).value.sel(a="x", b="x", c="y").item()
    sigma = R.nonlinear_conductivity(model, 0.5, 0.05, tau=7.0, **SHARP).parts.sel(part="bcd")
    assert sigma.sel(a="y", b="x", c="x").item() == pytest.approx(-7.0 * dipole, rel=1e-7)
    assert sigma.sel(a="x", b="x", c="y").item() == pytest.approx(3.5 * dipole, rel=1e-7)


def antiferromagnet(k, exchange, easy, hopping, spin_orbit):
    """Two sublattices with opposite moments, P*T as their only symmetry besides: all bands twice."""
    x, y = k
    one, tau_z = jnp.eye(2), jnp.diag(jnp.array([1.0, -1.0]))
    tau_x = jnp.array([[0.0, 1.0], [1.0, 0.0]])
    sx, sy, sz = tau_x, jnp.array([[0.0, -1j], [1j, 0.0]]), tau_z
    moment = exchange * (easy[0] * sx + easy[1] * sy + easy[2] * sz)
    locked = spin_orbit * (sy * jnp.sin(x) - sx * jnp.sin(y)) + moment
    return (
        -2 * jnp.cos(x / 2) * jnp.cos(y / 2) * jnp.kron(tau_x, one)
        - hopping * (jnp.cos(x) + jnp.cos(y)) * jnp.eye(4)
        + jnp.kron(tau_z, locked)
    )


AFM = bf.LatticeModel(
    antiferromagnet,
    np.eye(2),
    orbitals=[[0, 0], [0, 0], [0.5, 0.5], [0.5, 0.5]],
    parameters={"exchange": 0.6, "easy": [0.8, 0.6, 0.0], "hopping": 0.16, "spin_orbit": 0.8},
    name="antiferromagnet",
)


def closed_dipoles(mu, kt, count=256):
    """D_a[T_bc] of d.Gamma with anticommuting Gamma: the trace of T over a pair is d^-1 d_b n.d_c n/2, n = d/|d|."""
    axis = 2 * np.pi * np.arange(count) / count
    x, y = (z.reshape(-1) for z in np.meshgrid(axis, axis, indexing="ij"))
    half = np.cos(x / 2) * np.cos(y / 2)
    d = np.stack([-2 * half, 0.48 - 0.8 * np.sin(y), 0.36 + 0.8 * np.sin(x), 0 * x])
    slopes = np.stack(
        [
            [np.sin(x / 2) * np.cos(y / 2), 0 * x, 0.8 * np.cos(x), 0 * x],
            [np.cos(x / 2) * np.sin(y / 2), -0.8 * np.cos(y), 0 * x, 0 * x],
        ]
    )
    size = np.linalg.norm(d, axis=0)
    energy_slope = 0.16 * np.stack([np.sin(x), np.sin(y)])
    size_slope = np.einsum("aik,ik->ak", slopes, d) / size
    turning = (slopes - size_slope[:, None] * d / size) / size
    metric = 0.5 * np.einsum("bik,cik->bck", turning, turning)
    result = 0
    for sign in (-1, 1):
        energy = -0.16 * (np.cos(x) + np.cos(y)) + sign * size
        f = 1 / (np.exp((energy - mu) / kt) + 1)
        weight = f * (1 - f) / kt
        velocity = energy_slope + sign * size_slope
        # T of the lower pair is positive
        result = result - sign * 2 * np.einsum("k,ak,bck->abc", weight, velocity, metric / (2 * size)) / len(x)
    return result


@pytest.fixture
def no_warnings_of_pairs():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Bands of .* coincide", category=bf.ValidityWarning)
        yield


def test_bands_that_coincide_are_named():
    with pytest.warns(bf.ValidityWarning, match=r"coincide at every k \(0, 1; 2, 3\)"):
        R.quantum_metric_dipole(AFM, -0.8, 0.2, grid=8, throw=False, execution=ONE)


@pytest.mark.parametrize(
    ("relaxation", "said"), [("uniform", 'in the value and in its part "interband"'), ("occupations", "left out")]
)
def test_what_becomes_of_pairs_of_bands_that_coincide_is_said(relaxation, said):
    with pytest.warns(bf.ValidityWarning, match=r"coincide at every k .*" + said):
        R.nonlocal_conductivity(AFM, -0.8, 0.2, tau=30.0, relaxation=relaxation, grid=8, throw=False, execution=ONE)


@pytest.mark.usefixtures("no_warnings_of_pairs")
@pytest.mark.slow
def test_curvature_dipole_of_the_antiferromagnet_is_forbidden():
    found = R.nonlinear_conductivity(AFM, -0.8, 0.2, tau=30.0, tolerance=bf.Tolerance(rtol=1e-3), execution=ONE)
    assert found.parts_forbidden.sel(part="bcd").values.all()
    assert (found.parts.sel(part="bcd").values == 0).all()
    assert not found.parts_forbidden.sel(part="metric").values.all()


@pytest.mark.usefixtures("no_warnings_of_pairs")
def test_antiferromagnet_with_inversion_times_time_reversal():
    found = R.nonlinear_conductivity(AFM, -0.8, 0.2, tau=30.0, relaxation=["bare", "local"], grid=128, **GRID)
    assert np.abs(found.parts.sel(part="bcd")).max() < 1e-12
    dipoles = closed_dipoles(-0.8, 0.2)
    lowered = dipoles.transpose(1, 0, 2), dipoles.transpose(1, 2, 0)
    expected = {"bare": 0.5 * (dipoles - sum(lowered)), "local": dipoles - 0.5 * sum(lowered)}
    for name, tensor in expected.items():
        metric = found.parts.sel(part="metric", relaxation=name).values.reshape(2, 2, 2)
        np.testing.assert_allclose(metric, tensor, rtol=0, atol=1e-8 * np.abs(tensor).max())


@pytest.mark.usefixtures("no_warnings_of_pairs")
@pytest.mark.slow
def test_pairs_of_bands_agree_with_the_density_matrix():
    """The trace over a pair of coinciding bands is what the whole density matrix gives, at any relaxation time."""
    options = {"tau": 0.7, "relaxation": "bare"}
    exact = bf.exact.liouville_response(AFM, -0.8, 0.4, tolerance=bf.Tolerance(rtol=1e-7), **options)
    found = R.nonlinear_conductivity(AFM, -0.8, 0.4, grid=128, **options, **GRID)
    scale = np.abs(exact.value).max().item()
    np.testing.assert_allclose(found.value, exact.value, rtol=0, atol=3e-7 * scale)


CHAIN = bf.zoo.rice_mele(mass=0.4)
SHIFTED = bf.TightBinding(
    [[1.3]],
    [[0.1], [0.45], [0.7]],
    [
        (-1.0, 0, 0, (0,)), (0.2, 1, 1, (0,)), (1.7, 2, 2, (0,)),
        (0.5 + 0.2j, 0, 1, (0,)), (0.3j, 1, 2, (0,)), (0.4, 2, 0, (1,)), (0.25 - 0.3j, 0, 0, (1,)), (0.3j, 1, 1, (1,)),
    ],
)  # fmt: skip


@pytest.mark.parametrize("relaxation", ["bare", "local", "intraband"])
@pytest.mark.parametrize("tau", [0.3, 100.0])
def test_static_currents_are_exact_at_any_relaxation_time(relaxation, tau):
    """At every relaxation time, with orbitals anywhere in the cell."""
    exact = bf.exact.liouville_response(
        SHIFTED, 0.2, 0.25, tau=tau, relaxation=relaxation, tolerance=bf.Tolerance(rtol=1e-11)
    ).value.item()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bf.ValidityWarning)
        found = R.nonlinear_conductivity(SHIFTED, 0.2, 0.25, tau=tau, relaxation=relaxation, **SHARP).value.item()
    assert found == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("relaxation", ["uniform", "bare", "local", "clean"])
def test_what_the_expansion_leaves_out_falls_with_the_rate(relaxation):
    """Difference of total currents less tau^2 and tau^1 terms: linear in hbar/tau and hbar w, which fall together."""
    differences = []
    for tau in (50.0, 100.0, 200.0):
        w = (0.15 * 50 / tau, 0.1 * 50 / tau)
        # for the clean limit the field grows slowly against its own frequency
        slow, mine = (tau * 1e4, None) if relaxation == "clean" else (tau, tau)
        exact = bf.exact.liouville_response(
            SHIFTED, 0.2, 0.25, tau=slow, relaxation=relaxation, frequencies=w, tolerance=bf.Tolerance(rtol=1e-12)
        )
        found = R.nonlinear_conductivity(
            SHIFTED, 0.2, 0.25, tau=mine, relaxation=relaxation, frequencies=w, tolerance=bf.Tolerance(rtol=1e-11),
            execution=ONE,
        )  # fmt: skip
        differences.append(abs((exact.value - found.value).item()))
    ratios = np.array(differences[:-1]) / differences[1:]
    # halved with the rate; the clean limit has the error of the growth of the field, 1e-4, in its largest part
    np.testing.assert_allclose(ratios, 2.0, atol=0.2)


@pytest.mark.slow
def test_conductivity_of_one_band_is_that_of_drude():
    model = bf.zoo.square()
    found = bf.exact.liouville_response(model, -1.0, 0.4, tau=3.0, order=1, tolerance=bf.Tolerance(rtol=1e-10))
    drude = R.ohmic(model, -1.0, 0.4, tau=3.0, grid=64, **GRID)
    np.testing.assert_allclose(found.value, drude.value, atol=1e-9)
    assert found.attrs["units"] == drude.attrs["units"]


@pytest.mark.slow
def test_linear_current_holds_the_anomalous_hall_conductivity():
    model = bf.zoo.haldane()
    exact = bf.exact.liouville_response(model, -1.5, 0.3, tau=1e4, order=1, tolerance=bf.Tolerance(rtol=1e-9))
    hall = R.anomalous_hall(model, -1.5, 0.3, grid=96, **GRID).value.sel(a="x", b="y").item()
    # corrections of second order in hbar/(tau gap)
    assert exact.value.sel(a="x", b="y").item() == pytest.approx(hall, rel=1e-5)


@pytest.mark.slow
def test_evolution_in_small_fields():
    """Stationary currents, odd and even in the field, against linear and quadratic response: errors fall as E^2."""
    tau, end = 1.0, 22.0
    options = {"tau": tau}
    sharp = bf.Tolerance(rtol=1e-10)
    first = bf.exact.liouville_response(SHIFTED, 0.2, 0.4, order=1, tolerance=sharp, **options).value.item()
    second = bf.exact.liouville_response(SHIFTED, 0.2, 0.4, tolerance=sharp, **options).value.item()
    errors = []
    for field in (0.04, 0.02):
        plus, minus = (
            bf.exact.liouville_evolution(
                SHIFTED, 0.2, 0.4, [0.0, end], electric_field=[s * field], tolerance=bf.Tolerance(rtol=1e-8), **options
            ).value.values[0, 0, -1, 0]
            for s in (1, -1)
        )
        errors.append([(plus - minus) / (2 * field) - first, (plus + minus) / (2 * field**2) - second])
    ratio = np.array(errors[0]) / np.array(errors[1])
    # errors fall four times when the field is halved, up to the next even order
    np.testing.assert_allclose(ratio, 4.0, atol=0.2)


def test_bloch_oscillation_of_one_band():
    """Without relaxation the current of one band oscillates with the period 2 pi hbar/(e E a)."""
    chain = bf.TightBinding([[1.0]], [[0.0]], [(-0.5, 0, 0, (1,))])
    period = 2 * np.pi / 0.5
    found = bf.exact.liouville_evolution(
        chain, -0.5, 0.2, np.linspace(0, period, 9), electric_field=[0.5], tolerance=bf.Tolerance(rtol=1e-9)
    ).value.values.reshape(-1)
    # kdot = -E, so that <v> = v0 cos-weighted sin: j(t) = j_max sin(E t)
    weight = quad(lambda k: np.cos(k) / (np.exp((-np.cos(k) + 0.5) / 0.2) + 1), -np.pi, np.pi, epsabs=1e-13)[0]
    expected = weight / (2 * np.pi) * np.sin(0.5 * np.linspace(0, period, 9))
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_occupations_alone_relax_as_all_of_one_band():
    chain = bf.TightBinding([[1.0]], [[0.0]], [(-0.5, 0, 0, (1,))])
    times, tolerance = np.linspace(0, 6.0, 7), bf.Tolerance(rtol=1e-7)
    both = [
        bf.exact.liouville_evolution(
            chain, -0.5, 0.2, times, electric_field=[0.5], tau=2.0, relaxation=name, tolerance=tolerance
        ).value
        for name in ("uniform", "intraband")
    ]
    np.testing.assert_allclose(both[0], both[1], atol=1e-15)


def test_field_as_a_function_of_time():
    options = {"tau": 2.0, "tolerance": bf.Tolerance(rtol=1e-5)}
    times = np.linspace(0.0, 4.0, 5)
    constant = bf.exact.liouville_evolution(CHAIN, -1.5, 0.4, times, electric_field=[0.1], **options)
    function = bf.exact.liouville_evolution(CHAIN, -1.5, 0.4, times, electric_field=lambda t: [0.1], **options)
    np.testing.assert_allclose(function.value, constant.value, atol=1e-12)
    with pytest.raises(bf.UserModelError, match="must return 1 finite"):
        bf.exact.liouville_evolution(CHAIN, -1.5, 0.4, times, electric_field=lambda t: [0.1, 0.2], **options)
