"""Disordered responses: tabulated numbers, closed forms of the massive Dirac cone, spin, temperature, crossed."""

import numpy as np
import pytest

import blochflow as bf
from disorder_models import SPIN, TABLE, decaying, dirac, pocket, rashba, white

AXES = {"x": 0, "y": 1, "z": 2}
# Printed digits: 9 to 10 significant ones of the largest number, the last of which may be rounded.
PRINTED = 1e-8
SHARP = {"tolerance": bf.Tolerance(1e-8), "throw": True}


def parts(model, mu, disorder, **options):
    """Parts without the intrinsic one, whose zone integral has a test of its own."""
    from blochflow.disorder.potentials import scatterers
    from blochflow.response.cold_parts import cold_parts
    from blochflow.response.fermi_parts import PARTS, FermiParts

    request = FermiParts(model, scatterers(disorder, model), None, model.dimension, False, None, None, bf.Execution())
    value, error, good, seen = cold_parts(request, mu, bf.Tolerance(1e-9, **options))
    return dict(zip(PARTS, value, strict=True)), dict(zip(PARTS, error, strict=True)), good, seen


@pytest.mark.parametrize("name", TABLE)
def test_tabulated_parts(name):
    build, mu, disorder, density, expected = TABLE[name]
    value, error, good, seen = parts(build(), mu, disorder())
    assert good
    assert seen.density_of_states == pytest.approx(density, rel=PRINTED)
    for part, components in expected.items():
        scale = max(map(abs, components.values()))
        for index, number in components.items():
            got = value[part][AXES[index[0]], AXES[index[1]]]
            # small numbers of three bands are printed with 9 decimals
            allowed = max(PRINTED * max(scale, 1e-3), 6e-10)
            assert got == pytest.approx(number, rel=PRINTED, abs=allowed), (part, index)
        assert error[part].max() < PRINTED * max(scale, 1e-3)


def test_correlations_with_a_kink_converge_algebraically():
    value, error, _, _ = parts(dirac(), 1.0, bf.Disorder(decaying))
    expected = {
        "drude": (0, 0, 11.7276127),
        "extrinsic_velocity": (1, 0, 0.027429658),
        "skew_scattering": (1, 0, 0.0281364673),
    }
    for part, (a, b, number) in expected.items():
        # 2 048 points: errors fall as N^-4
        assert value[part][a, b] == pytest.approx(number, rel=1e-8)
        assert abs(value[part][a, b] - number) < error[part][a, b] + 5e-9 * abs(number)


@pytest.mark.slow
def test_three_dimensional_pocket():
    result = bf.response.disordered_conductivity(
        pocket(), 0.8, 0.0, disorder=white(0.1), tolerance=bf.Tolerance(1e-4), throw=False
    )
    got = {n: result[n].values.squeeze() for n in ("drude", "extrinsic_velocity", "side_jump", "skew_scattering")}
    error = {n: result[f"{n}_error"].values.squeeze() for n in got}
    expected = {
        "drude": {(0, 0): 2.060027, (1, 1): 1.379039, (2, 2): 1.448944},
        "extrinsic_velocity": {(1, 0): -0.002160015, (0, 1): 0.002122809},
        "side_jump": {(1, 0): -0.002122809},
        "skew_scattering": {(1, 0): -0.001678904},
    }
    for part, components in expected.items():
        for index, number in components.items():
            # triangles: to their own error, and the printed digit
            assert abs(got[part][index] - number) <= error[part][index] + 1e-9 + 5e-7 * abs(number)


@pytest.mark.parametrize(
    ("mass", "mu", "speed"), [(0.3, 1.0, 1.0), (0.05, 0.4, 0.7), (0.9, 1.0, 2.0), (-0.4, 0.8, 1.3)]
)
def test_closed_forms_of_the_massive_dirac_cone(mass, mu, speed):
    """Sinitsyn et al. (2007): side jump and skew scattering of the cone, and the third cumulant."""
    value, _, _, seen = parts(dirac(mass, speed), mu, white(0.05, third_cumulant=0.003))
    k2 = mu**2 - mass**2  # (hbar v k_F)^2
    below = 4 * mass**2 + k2
    jump = k2 * mass / (2 * np.pi * mu * below)
    skew = 3 * k2**2 * mass / (4 * np.pi * mu * below**2)
    third = 0.003 / 0.05**2 * k2**2 * mass / (2 * np.pi * below**2)
    # rounding of a dense solution
    assert value["extrinsic_velocity"][1, 0] + value["side_jump"][1, 0] == pytest.approx(2 * jump, rel=1e-10)
    assert value["skew_scattering"][1, 0] == pytest.approx(skew, rel=1e-10)
    assert value["third_cumulant"][1, 0] == pytest.approx(third, rel=1e-10)
    xi2, rate = (mass / mu) ** 2, np.pi * 0.05 * mu / (2 * np.pi * speed**2)
    assert 1 / seen.lifetime == pytest.approx(rate * (1 + xi2), rel=1e-10)
    assert 1 / seen.transport[0] == pytest.approx(rate * (1 + 3 * xi2) / 2, rel=1e-10)


def test_spin_density_of_the_rashba_ferromagnet():
    chi = bf.response.disordered_spin_density(rashba(), 1.0, 0.0, disorder=white(0.05))
    expected = {"drude": ((0, 1), 3.18309886), "extrinsic_velocity": ((0, 0), -0.0294731376)}
    expected |= {"side_jump": ((0, 0), 0.0254078772), "skew_scattering": ((1, 1), -0.0254078772)}
    for part, (index, number) in expected.items():
        assert chi[part].values[0, 0][index] == pytest.approx(number, rel=PRINTED)
    assert chi["drude"].values[0, 0, 1, 0] == pytest.approx(-3.18309886, rel=PRINTED)


def test_current_of_a_dirac_cone_is_its_spin_term_by_term():
    options = {"disorder": white(0.1, third_cumulant=0.02), "tolerance": bf.Tolerance(1e-4)}
    model = dirac(speed=1.5)
    sigma = bf.response.disordered_conductivity(model, 1.0, 0.0, **options)
    chi = bf.response.disordered_spin_density(model, 1.0, 0.0, **options)
    for part in ("intrinsic", "drude", "extrinsic_velocity", "side_jump", "skew_scattering", "third_cumulant"):
        # j_y = -e v_y and v_y = -v sigma_x: the same matrix, so rounding, but for two integrals over the zone
        doubt = 1e-12 if part != "intrinsic" else float(sigma.intrinsic_error.max() + 1.5 * chi.intrinsic_error.max())
        got, want = sigma[part].values[0, 0, 1], 1.5 * chi[part].values[0, 0, 0]
        np.testing.assert_allclose(got, want, atol=doubt, rtol=1e-10)


def test_crossed_diagrams_of_the_dirac_cone():
    result = bf.response.disordered_conductivity(dirac(), 1.0, 0.0, disorder=white(0.1), crossed=True)
    assert result.attrs["theory_level"] == "with crossed diagrams"
    # trapezoidal sums clear of the poles are exact for the circle
    assert result.crossed.sel(a="y", b="x").item() == pytest.approx(-0.1077544782, rel=1e-9)


@pytest.mark.slow
def test_warm_dirac_cone():
    expected = {"intrinsic": 0.02407699, "extrinsic_velocity": 0.03411686, "side_jump": 0.03411686}
    expected |= {"skew_scattering": 0.03639924, "value": 0.12870996}
    sigma = bf.response.disordered_conductivity(dirac(), 1.0, 0.05, disorder=white(0.1)).sel(a="y", b="x")
    sigma["intrinsic"] = sigma.intrinsic + sigma.cutoff_tail
    sigma["value"] = sigma.value + sigma.cutoff_tail
    for part, number in expected.items():
        error = sigma["error" if part == "value" else f"{part}_error"].item()
        # 8 digits are printed
        assert abs(sigma[part].item() - number) <= error + 1e-8
        assert error < 2e-3 * number


def test_torque_of_a_dirac_cone_is_that_of_its_spin():
    """T = M m x <sigma> for H with M m.sigma."""
    import jax.numpy as jnp

    def hamiltonian(k, m=(0.0, 0.0, 0.3)):
        spin = jnp.asarray(SPIN["spin"])
        return k[0] * spin[1] - k[1] * spin[0] + jnp.einsum("a,aij->ij", jnp.asarray(m), spin)

    model = bf.ContinuumModel(hamiltonian, 2, cutoff=3.0, operators=SPIN)
    torque = bf.response.spin_orbit_torque(model, 1.0, 0.0, disorder=white(0.1))
    chi = bf.response.disordered_spin_density(model, 1.0, 0.0, disorder=white(0.1))
    for part in ("drude", "extrinsic_velocity", "side_jump", "skew_scattering"):
        want = np.cross([0.0, 0.0, 0.3], chi[part].values[0, 0], axisb=0, axisc=0)
        np.testing.assert_allclose(torque[part].values[0, 0], want, atol=1e-13)
    # the Edelstein spin is even in m, its torque odd
    assert abs(torque.odd.values[0, 0, 0, 0]) > 10 * abs(torque.even.values[0, 0, 0, 0])


def test_intrinsic_part_of_a_small_pocket_in_a_wide_cutoff():
    """Table: no random k with which symmetries are verified lies in the pocket, and none may be found for that."""
    result = bf.response.disordered_conductivity(rashba(), 0.1, 0.0, disorder=bf.Disorder.white(0.002), points=64)
    intrinsic, error = (result[name].sel(a="y", b="x").item() for name in ("intrinsic", "intrinsic_error"))
    assert abs(intrinsic + 0.0547294089) <= error < 1e-3 * abs(intrinsic)
    # white noise of any strength
    assert result.value.sel(a="y", b="x").item() == pytest.approx(-0.0421008736, abs=2 * error)


def test_spin_density_names_what_lies_beyond_the_cutoff():
    """sigma_yx = e v <s_x> holds for the intrinsic part and for its tail."""
    cone, disorder = bf.zoo.topological_surface(m=(0.0, 0.0, 0.3)), white(0.1)
    current = bf.response.disordered_conductivity(cone, 1.0, 0.0, disorder=disorder, points=32)
    spin = bf.response.disordered_spin_density(cone, 1.0, 0.0, disorder=disorder, points=32)
    tail = spin.cutoff_tail.sel(a="x", b="x").item()
    assert tail == pytest.approx(current.cutoff_tail.sel(a="y", b="x").item(), rel=1e-6)
    # the tail is integrated over four decades beyond the cutoff with one moderate rule: 1e-4 of it
    assert spin.intrinsic.sel(a="x", b="x").item() + tail == pytest.approx(0.0238732415, abs=1e-4 * 0.0238732415)
