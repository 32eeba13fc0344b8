"""Identities of disordered responses on models without symmetry, with random bases, degenerate bands and lattices."""

import jax.numpy as jnp
import numpy as np
import pytest

import blochflow as bf
from blochflow.disorder.coherence import drive, side_jump_velocity, third_cumulant_drive
from blochflow.disorder.collision import Collision
from blochflow.disorder.fermi_points import FermiPoints, fermi_points
from blochflow.disorder.linear_response import respond
from blochflow.disorder.potentials import scatterers
from blochflow.disorder.scattering import Scattering
from disorder_models import ONE, SX, SY, SZ, dirac, qwz, three_bands, white

# Dense solutions of some hundred unknowns: rounding times their condition.
SHARP = 1e-11


def collision(model, mu, disorder, points=96, dense=None):
    surface = bf.geometry.fermi_surface(model, mu, points=points)
    return Collision(Scattering(fermi_points(model, surface), scatterers(disorder, model)), dense)


def current(found, **options):
    return respond(found, **options).parts(-found.points.velocity)


def crooked(mass=0.3, tilt=(0.3, 0.1), cutoff=4.0):
    return dirac(mass, anisotropy=0.7, tilt=tilt, cutoff=cutoff)


def mixed(strength=0.1):
    """Scalar and mass disorder, correlated with each other."""
    weight = strength * np.array([[1.0, 0.3], [0.3, 0.4]])
    return bf.Disorder(lambda q: np.exp(-0.2 * (q**2).sum(axis=-1))[..., None, None] * weight, vertices=[ONE, SZ])


CASES = {
    "tilted cone": lambda: collision(crooked(), 1.0, white(0.1, third_cumulant=0.02)),
    "mixed vertices": lambda: collision(crooked(), 1.0, mixed()),
    "three bands, two sheets": lambda: collision(three_bands(), 1.0, white(0.1, vertices=[np.diag([1.0, 0.5, -0.3])])),
    "lattice, each orbital": lambda: collision(
        qwz(), 1.4, white(0.02, vertices=[np.diag([1.0, 0.0]), np.diag([0.0, 1.0])])
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_side_jump_is_minus_the_transposed_extrinsic_velocity_and_skew_is_antisymmetric(name):
    parts = current(CASES[name]())
    scale = np.abs(parts["extrinsic_velocity"]).max()
    np.testing.assert_allclose(parts["side_jump"], -parts["extrinsic_velocity"].T, atol=SHARP * scale)
    for part in ("skew_scattering", "third_cumulant"):
        if part in parts:
            np.testing.assert_allclose(parts[part], -parts[part].T, atol=SHARP * scale)


@pytest.mark.parametrize("name", CASES)
def test_collisions_conserve_charge_and_leave_equilibrium_alone(name):
    found = CASES[name]()
    points = found.points
    equal = points.projector[None]
    rate = found.rates.max()
    assert np.abs(found.apply(equal)).max() < SHARP * rate
    scattered = found.scattering.apply(equal)
    from blochflow.disorder.coherence import coherence

    assert np.abs(drive(found, coherence(found, scattered, equal), scattered)).max() < SHARP * rate
    uneven = equal * np.random.default_rng(1).normal(size=len(points.k))[None, :, None, None]
    scattered = found.scattering.apply(uneven)
    gain = drive(found, coherence(found, scattered, uneven), scattered)
    total = np.einsum("k,ckii->c", points.weights, gain).real
    assert np.abs(total).max() < SHARP * max(np.abs(gain).max(), rate)
    if found.scattering.scatterers.third is not None:
        assert np.abs(third_cumulant_drive(found, equal)).max() < SHARP * rate


@pytest.mark.parametrize("name", CASES)
def test_a_random_basis_of_orbitals_changes_nothing(name):
    found = CASES[name]()
    p = found.points
    rng = np.random.default_rng(3)
    n = p.projector.shape[-1]
    u = np.linalg.qr(rng.normal(size=(n, n)) + 1j * rng.normal(size=(n, n)))[0]
    turned = [u @ x @ u.conj().T for x in (p.projector, p.resolvent, p.velocity)]
    phases = np.exp(1j * rng.uniform(0, 6, (len(p.k), 1, 1)))
    other = FermiPoints(p.k, p.weights, p.sheet, p.rank, *turned, (u @ p.states) * phases, p.gap)
    known = found.scattering.scatterers
    moved = type(known)(u @ known.vertices @ u.conj().T, known.correlation, known.constant, known.third)
    parts, again = current(found), current(Collision(Scattering(other, moved)))
    for part, value in parts.items():
        np.testing.assert_allclose(again[part], value, atol=SHARP * max(np.abs(value).max(), 1e-3))


@pytest.mark.parametrize("name", CASES)
def test_conjugate_gradients_agree_with_the_direct_solution(name):
    found = CASES[name]()
    direct, steps = current(found), current(Collision(found.scattering, dense=False))
    for part, value in direct.items():
        # residual 1e-12 times the condition of K
        np.testing.assert_allclose(steps[part], value, atol=1e-10 * max(np.abs(value).max(), 1e-2))


def test_strength_of_the_disorder():
    """Drude ~ 1/W, third cumulant ~ kappa/W^2, the others do not depend on it."""
    first = current(collision(crooked(), 1.0, white(0.1, third_cumulant=0.02)))
    second = current(collision(crooked(), 1.0, white(0.03, third_cumulant=0.05)))
    ratio = {"drude": 0.1 / 0.03, "third_cumulant": 0.05 / 0.02 * (0.1 / 0.03) ** 2}
    for part, value in first.items():
        np.testing.assert_allclose(second[part], ratio.get(part, 1.0) * value, rtol=1e-10, atol=1e-13)


def test_onsager_under_time_reversal():
    """H_T = sy H(-k)* sy reverses mass and tilt: odd parts change sign, ext + sj are transposed."""
    for disorder in (white(0.1, third_cumulant=0.02), bf.Disorder.gaussian(0.1, 0.7)):
        one = current(collision(crooked(0.3, (0.3, 0.1)), 1.0, disorder))
        other = current(collision(crooked(-0.3, (-0.3, -0.1)), 1.0, disorder))
        np.testing.assert_allclose(other["drude"], one["drude"].T, atol=1e-11)
        jumps = [x["extrinsic_velocity"] + x["side_jump"] for x in (one, other)]
        np.testing.assert_allclose(jumps[1], jumps[0].T, atol=1e-12)
        np.testing.assert_allclose(other["skew_scattering"], one["skew_scattering"].T, atol=1e-12)


def test_equal_shifts_of_all_energies_change_nothing():
    def shifted(k, offset=0.0):
        return k[0] * SY - 0.7 * k[1] * SX + 0.3 * SZ + (0.3 * k[0] + offset) * ONE

    model = bf.ContinuumModel(shifted, 2, cutoff=4.0)
    one = current(collision(model, 1.0, white(0.1)))
    other = current(collision(model.replace(offset=2.5), 3.5, white(0.1)))
    for part, value in one.items():
        np.testing.assert_allclose(other[part], value, atol=1e-11)


def test_side_jump_velocity_is_the_one_of_both_formulas():
    """beta = 2 pi { Im tr[P V R C[P]] + Im tr[P C[R V P]] }, evaluated literally."""
    found = CASES["mixed vertices"]()
    p, r, v = found.points.projector, found.points.resolvent, found.points.velocity.swapaxes(0, 1)
    apply = found.scattering.apply
    once = np.einsum("kij,ckjl,klm,kmi->kc", p, v, r, apply(p[None])[0]).imag
    twice = np.einsum("kij,ckji->kc", p, apply(r @ v @ p)).imag
    np.testing.assert_allclose(side_jump_velocity(found), 2 * np.pi * (once + twice), atol=1e-14)


def test_degenerate_copies_of_opposite_mass():
    """Two hidden cones: no Hall current, twice the Drude one, and a Hall current of tau_z twice that of one cone."""
    rng = np.random.default_rng(5)
    u = jnp.asarray(np.linalg.qr(rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4)))[0])

    def hamiltonian(k, mass=0.3):
        cone = k[0] * SY - k[1] * SX
        return u @ (jnp.kron(jnp.eye(2), cone) + mass * jnp.kron(SZ, SZ)) @ jnp.conj(u.T)

    model = bf.ContinuumModel(hamiltonian, 2, cutoff=4.0)
    found = collision(model, 1.0, white(0.1), points=64)
    assert (found.points.rank == 2).all()
    single = current(collision(dirac(), 1.0, white(0.1), points=64))
    answer = respond(found)
    parts = answer.parts(-found.points.velocity)
    tau = np.asarray(u @ jnp.kron(SZ, ONE) @ jnp.conj(u.T))
    copies = answer.parts(-(tau @ found.points.velocity))
    for part, value in single.items():
        if part == "drude":
            np.testing.assert_allclose(parts[part], 2 * value, rtol=1e-10, atol=1e-10)
        else:
            np.testing.assert_allclose(parts[part], 0 * value, atol=1e-11)
            np.testing.assert_allclose(copies[part], 2 * value, atol=1e-11)


LADDER = {
    # non-crossing Kubo-Streda ladder, extrapolated to weak disorder (routes/kubo_streda.py), sum of yx
    "mixed vertex": (crooked, 1.0, lambda: white(0.1, vertices=[ONE + 0.5 * SZ]), 0.0832725613),
    "Gaussian": (crooked, 1.0, lambda: bf.Disorder.gaussian(0.1, 0.5), 0.0837591402),
    "each orbital": (
        qwz,
        1.4,
        lambda: white(0.02, vertices=[np.diag([1.0, 0.0]), np.diag([0.0, 1.0])]),
        -0.0023291147,
    ),
    "neighbours": (qwz, 1.4, lambda: bf.Disorder(lambda q: 0.02 * (1 + 0.4 * np.cos(q).sum(axis=-1))), -0.1207332949),
    "three bands": (three_bands, 1.0, lambda: white(0.1, vertices=[np.diag([1.0, 0.5, -0.3])]), 0.196782324),
}


@pytest.mark.parametrize("name", LADDER)
def test_hall_parts_equal_the_ladder_where_no_numbers_were_known(name):
    build, mu, disorder, expected = LADDER[name]
    parts = current(collision(build(), mu, disorder(), points=256))
    names = ("extrinsic_velocity", "side_jump", "skew_scattering")
    odd = sum(0.5 * (parts[part][1, 0] - parts[part][0, 1]) for part in names)
    # the ladder is extrapolated to 2e-6 of its largest number; cancellations of parts leave a little more
    assert odd == pytest.approx(expected, rel=1e-5)


def test_wrong_input_is_refused():
    model = dirac()
    compute = bf.response.disordered_conductivity
    bad = {
        "be a bf.Disorder": lambda: compute(model, 1.0, 0.0, disorder=0.1),
        "positive semidefinite": lambda: compute(
            model, 1.0, 0.0, disorder=bf.Disorder(lambda q: np.cos(3 * q[..., 0]) * np.cos(3 * q[..., 1]))
        ),
        "be Hermitian": lambda: compute(model, 1.0, 0.0, disorder=white(0.1, vertices=[np.array([[0, 1], [0, 0]])])),
        "inside the cutoff": lambda: compute(crooked(cutoff=1.0), 1.0, 0.0, disorder=white(0.1)),
        "repeat with the reciprocal": lambda: compute(
            qwz(), 1.4, 0.0, disorder=bf.Disorder(lambda q: np.exp(-(q**2).sum(axis=-1)))
        ),
        "be False at T > 0": lambda: compute(model, 1.0, 0.1, disorder=white(0.1), crossed=True),
        "white noise with one vertex": lambda: compute(
            model, 1.0, 0.0, disorder=bf.Disorder.gaussian(0.1, 1.0), crossed=True
        ),
        "multiple of 8": lambda: compute(model, 1.0, 0.0, disorder=white(0.1), points=33),
        "shape": lambda: compute(model, 1.0, 0.0, disorder=bf.Disorder(lambda q: q)),
        "three real components": lambda: bf.response.spin_orbit_torque(model, 1.0, 0.0, disorder=white(0.1)),
        r"m of topological_surface is \(0, 0, 0\), where the torque m x <dH/dm> is exactly zero; give": lambda: (
            bf.response.spin_orbit_torque(bf.zoo.topological_surface(m=(0.0, 0.0, 0.0)), 1.0, 0.0, disorder=white(0.1))
        ),
        "operator of the model": lambda: bf.response.disordered_spin_density(
            model, 1.0, 0.0, disorder=white(0.1), spin="spn"
        ),
        "strength": lambda: white(-0.1),
        "third_cumulant": lambda: bf.Disorder(lambda q: q[..., 0] * 0 + 1, third_cumulant=0.1),
    }
    for text, call in bad.items():
        with pytest.raises((ValueError, bf.UserModelError), match=text):
            call()


def test_a_gap_has_no_surface_terms_and_says_so():
    result = bf.response.disordered_conductivity(dirac(), 0.1, 0.0, disorder=white(0.1))
    assert "no band crosses" in result.attrs["note"]
    np.testing.assert_array_equal(result.value.values, result.intrinsic.values)
    np.testing.assert_array_equal(result.drude.values, 0.0)


def test_gaussian_disorder_on_a_lattice_repeats_with_its_reciprocal_vectors():
    model = bf.zoo.haldane()
    found = scatterers(bf.Disorder.gaussian(0.1, 0.4), model)
    assert len(found.vertices) == 2
    q = np.random.default_rng(2).uniform(-3, 3, (5, 2))
    g = np.asarray(model.lattice.reciprocal) @ np.eye(2)
    places = np.asarray(model.orbitals)
    for vector in g:
        phase = np.exp(-1j * places @ vector)
        moved = found.correlation(q + vector)
        np.testing.assert_allclose(moved, found.correlation(q) * phase[:, None] * phase.conj(), atol=1e-15)
