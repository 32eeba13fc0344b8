"""Arguments, labels, errors and execution of the anomalous Hall conductivity and its companions."""

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jax, jnp

TRACES = {"count": 0}


def counted_qwz(k, mass=-1.2, tilt=0.3):
    TRACES["count"] += isinstance(k, jax.core.Tracer)
    x, y = k
    z = mass + jnp.cos(x) + jnp.cos(y)
    shift = tilt * (2 - jnp.cos(x) - jnp.cos(y))
    off = jnp.sin(x) - 1j * jnp.sin(y)
    return jnp.array([[shift + z, off], [jnp.conj(off), shift - z]])


@pytest.fixture(scope="module")
def model():
    return bf.LatticeModel(counted_qwz, np.eye(2))


def many_r_model():
    """Random 3D model with enough lattice vectors for factorised sums, and with position matrices."""
    rng = np.random.default_rng(3)
    cells = np.array([(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in range(-3, 4)])
    raw = rng.normal(size=(len(cells), 4, 4)) + 1j * rng.normal(size=(len(cells), 4, 4))
    decay = np.exp(-np.abs(cells).sum(axis=1))[:, None, None]
    positions = 0.1 * decay[:, None] * (rng.normal(size=(len(cells), 3, 4, 4)) + 0j)
    lattice = np.array([[1.0, 0.1, 0.0], [0.0, 1.1, 0.2], [0.1, 0.0, 0.9]])
    centres = rng.uniform(size=(4, 3)) @ lattice
    positions[len(cells) // 2, :, range(4), range(4)] += centres
    return bf.TightBinding.from_blocks(lattice, centres, cells, raw * decay, positions=positions)


def test_labels_and_provenance(model):
    result = bf.response.anomalous_hall(model, [0.0, 0.2, 0.4], [0.05, 0.1], grid=16, throw=False)
    assert result.value.dims == ("mu", "temperature", "a", "b")
    assert result.value.shape == result.error.shape == (3, 2, 2, 2)
    assert result.converged.dims == ("mu", "temperature")
    assert list(result.a.values) == ["x", "y"]
    for key in ("units", "equation", "reference", "conventions", "status", "evaluations", "model", "parameters"):
        assert result.attrs[key] not in ("", None)
    assert result.attrs["evaluations"] == 256
    assert result.attrs["validity_smallest_gap"] > 0


def test_scan_equals_single_values(model):
    scan = bf.response.anomalous_hall(model, [0.0, 0.3], [0.1, 0.0], grid=16, throw=False)
    for i, mu in enumerate((0.0, 0.3)):
        for j, temperature in enumerate((0.1, 0.0)):
            one = bf.response.anomalous_hall(model, mu, temperature, grid=16, throw=False)
            # the same sums in a matrix product of another shape: rounding
            np.testing.assert_allclose(scan.value.values[i, j], one.value.values[0, 0], atol=1e-14)


@pytest.mark.parametrize("workers", [2, 4])
def test_any_number_of_workers_gives_the_same_bits(workers):
    model = many_r_model()
    one, more = (
        bf.response.anomalous_hall(
            model, [0.0, 0.5], [0.0, 0.1], grid=20, throw=False, execution=bf.Execution(workers=w, progress=False)
        )
        for w in (1, workers)
    )
    assert one.value.values.tobytes() == more.value.values.tobytes()
    assert one.error.values.tobytes() == more.error.values.tobytes()


def test_memory_bound_changes_nothing():
    model = many_r_model()
    values = [
        bf.response.anomalous_hall(model, 0.5, 0.1, grid=8, throw=False, execution=bf.Execution(max_memory=size))
        for size in ("1 MB", "4 GiB")
    ]
    assert values[0].value.values.tobytes() == values[1].value.values.tobytes()


def test_a_scan_over_parameters_traces_once(model):
    bf.response.anomalous_hall(model, 0.0, 0.1, grid=8, throw=False)
    before = TRACES["count"]
    values = [
        bf.response.anomalous_hall(model.replace(mass=mass), mu, 0.1, grid=8, throw=False).value.values[0, 0, 0, 1]
        for mass, mu in zip(np.linspace(-1.5, -0.5, 50), np.linspace(-0.5, 0.5, 50), strict=True)
    ]
    assert TRACES["count"] == before
    assert np.ptp(values) > 1e-3


def test_factorised_and_direct_sums_agree(monkeypatch):
    import blochflow.models.tight_binding as tight_binding

    model = many_r_model()
    fast = bf.response.anomalous_hall(model, 0.5, 0.1, grid=6, throw=False).value.values
    monkeypatch.setattr(tight_binding, "FACTORISE_FROM", 10**9)
    slow = bf.response.anomalous_hall(model, 0.5, 0.1, grid=6, throw=False).value.values
    np.testing.assert_allclose(fast, slow, atol=1e-10 * np.abs(slow).max())  # rounding over squared gaps


def test_not_converged_raises_with_the_result_or_returns_it(model):
    with pytest.raises(bf.ConvergenceError, match="not converged") as caught:
        bf.response.anomalous_hall(model, -0.4, 0.0, tolerance=bf.Tolerance(rtol=1e-9, max_evaluations=3000))
    result = caught.value.result
    assert not bool(result.converged.all())
    assert result.attrs["status"] == "NOT_CONVERGED"
    quiet = bf.response.anomalous_hall(
        model, -0.4, 0.0, tolerance=bf.Tolerance(rtol=1e-9, max_evaluations=3000), throw=False
    )
    np.testing.assert_array_equal(quiet.value.values, result.value.values)


def test_error_of_an_odd_grid_is_unknown(model):
    result = bf.response.anomalous_hall(model, 0.0, 0.1, grid=7, throw=False)
    assert np.isnan(result.error.values[0, 0, 0, 1])
    assert not result.converged.any()


def test_zero_temperature_is_the_limit(model):
    cold = bf.response.anomalous_hall(model, 0.0, 0.0, grid=16, throw=False).value.values
    cool = bf.response.anomalous_hall(model, 0.0, 1e-4, grid=16, throw=False).value.values
    # no energy of this grid lies within 40 k_B T of mu
    np.testing.assert_allclose(cool, cold, atol=1e-14)


def test_density_replaces_mu(model):
    by_mu = bf.response.anomalous_hall(model, 0.5, 0.2)
    n = bf.response.electron_density(model, 0.5, 0.2, tolerance=bf.Tolerance(1e-9)).value.item()
    by_density = bf.response.anomalous_hall(model, None, 0.2, density=[n])
    assert by_density.value.dims == ("density", "temperature", "a", "b")
    assert float(by_density.mu.item()) == pytest.approx(0.5, abs=1e-4)
    distance = abs(by_density.value - by_mu.value.values).max()
    assert float(distance) <= float(by_density.error.max() + by_mu.error.max())


def test_spin_degeneracy_multiplies_once():
    single = bf.zoo.haldane()
    double = bf.TightBinding.from_blocks(
        single.lattice, single.orbitals, single.cells, single.blocks, spin_degeneracy=2
    )
    one = bf.response.anomalous_hall(single, 0.0, 0.0, grid=12, throw=False).value
    two = bf.response.anomalous_hall(double, 0.0, 0.0, grid=12, throw=False).value
    np.testing.assert_allclose(two.values, 2 * one.values, rtol=1e-13)
    densities = [bf.response.electron_density(m, 0.0, 0.0, grid=12).value.item() for m in (single, double)]
    assert densities[1] == pytest.approx(2 * densities[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mu": "high"}, "Argument `mu` must be a real number"),
        ({"mu": np.nan}, "Argument `mu` must be finite"),
        ({"mu": [[0.0]]}, "Argument `mu` must be a number or a list of numbers"),
        ({"mu": None}, "Argument `mu` must be given"),
        ({"density": 1.0}, "Argument `mu` must be given"),
        ({"mu": None, "density": -1.0}, "Argument `density` must be greater than 0"),
        ({"mu": None, "density": 2.5}, "Argument `density` must be below 2"),
        ({"temperature": -1.0}, "Argument `temperature` must not be negative"),
        ({"temperature": []}, "Argument `temperature` must hold at least one number"),
        ({"grid": 0}, "Argument `grid` must"),
        ({"grid": (4, 4, 4)}, "Argument `grid` must"),
        ({"shift": np.inf}, "Argument `shift` must"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_computed(model, arguments, message, monkeypatch):
    for module in ("source", "uniform", "filling"):
        where = f"blochflow.response.{module}.run_batches"
        monkeypatch.setattr(where, lambda *_, **__: pytest.fail("computing started"))
    call = {"mu": 0.0, "temperature": 0.1, **arguments}
    with pytest.raises(ValueError, match=message):
        bf.response.anomalous_hall(model, call.pop("mu"), call.pop("temperature"), **call)


@pytest.mark.parametrize("quantity", ["anomalous_hall", "electron_density", "chemical_potential"])
def test_wrong_objects_are_named(model, quantity):
    function = getattr(bf.response, quantity)
    with pytest.raises(ValueError, match="Argument `model` must be a model"):
        function("Fe_tb.dat", 1.0, 0.0)
    with pytest.raises(ValueError, match=r"Argument `tolerance` must be a bf.Tolerance"):
        function(model, 1.0, 0.0, tolerance=1e-3)
    with pytest.raises(ValueError, match=r"Argument `execution` must be a bf.Execution"):
        function(model, 1.0, 0.0, execution=2)


def test_models_without_a_hall_effect_are_refused():
    with pytest.raises(ValueError, match="two or three dimensions"):
        bf.response.anomalous_hall(bf.zoo.ssh(), 0.0, 0.0)
    with pytest.raises(ValueError, match="continuum model"):
        bf.response.anomalous_hall(bf.zoo.massive_dirac(), 0.0, 0.0, grid=8)


def singular(k, strength=1.0):
    return jnp.array([[jnp.cos(k[0]), strength / jnp.sin(k[1])], [strength / jnp.sin(k[1]), -jnp.cos(k[0])]])


def test_a_singular_hamiltonian_names_its_k():
    model = bf.LatticeModel(singular, np.eye(2))
    with pytest.raises(bf.NonFiniteError, match=r"not finite at k = \(.*0\)"):
        bf.response.anomalous_hall(model, 0.0, 0.1, grid=4)
    with pytest.raises(bf.NonFiniteError, match="not finite at k"):
        bf.response.chemical_potential(model, 1.0, 0.1, grid=4)


def test_chemical_potential_in_a_gap_is_its_middle():
    model = bf.zoo.haldane()
    k = np.asarray(model.lattice.to_cartesian_k(np.random.default_rng(0).random((2000, 2))))
    energies = np.asarray(bf.bands(model, k).energies)
    density = 1.0 / model.lattice.volume
    result = bf.response.chemical_potential(model, density, 0.0)
    assert energies[:, 0].max() < result.value.item() < energies[:, 1].min()


def test_active_gap_is_reported():
    model = bf.zoo.haldane()
    result = bf.response.anomalous_hall(model, 0.0, 0.0, grid=24)
    # Haldane with phase pi/2: the smallest gap is at K or K', 2 |mass -/+ 3 sqrt3 t2|; the grid holds both
    expected = 2 * abs(0.2 - 3 * np.sqrt(3) * 0.15)
    assert result.attrs["validity_smallest_gap"] == pytest.approx(expected, rel=1e-9)


def test_single_precision_is_noticed():
    model = bf.zoo.square()
    jax.config.update("jax_enable_x64", False)
    try:
        with pytest.raises(bf.BlochflowError, match="single precision"):
            bf.response.electron_density(model, 0.1, 0.1, grid=4, throw=False)
    finally:
        jax.config.update("jax_enable_x64", True)


def insulator(k, gap=4.0):
    """Asymmetric chain: a wide band below, a narrow one above."""
    c = jnp.cos(k[0])
    return jnp.array([[c, 0.0], [0.0, gap + 0.3 * c]])


@pytest.mark.parametrize("temperature", [0.5, 0.1, 0.05, 0.02, 0.008])
def test_chemical_potential_of_an_insulator_balances_electrons_and_holes(temperature):
    model = bf.LatticeModel(insulator, [[1.0]])
    result = bf.response.chemical_potential(model, 1.0, temperature, grid=4096, throw=False)
    # n_e = n_h in logarithms, on a grid of its own; for k_B T << gap both are Boltzmann tails
    k = 2 * np.pi * (np.arange(100_000) + 0.5) / 100_000
    low, high = np.cos(k), 4.0 + 0.3 * np.cos(k)
    if temperature < 0.3:
        electrons = np.log(np.mean(np.exp(-(high - high.min()) / temperature))) - high.min() / temperature
        holes = np.log(np.mean(np.exp((low - low.max()) / temperature))) + low.max() / temperature
        # log n_e + mu/T = log n_h - mu/T
        exact = 0.5 * temperature * (holes - electrons)
        # Boltzmann tails neglect exp(-gap/2kT) relative: 4e-6 at T = .1
        assert result.value.item() == pytest.approx(exact, abs=2e-6)
    n = bf.response.electron_density(model, result.value.item(), temperature, grid=4096)
    assert n.value.item() == pytest.approx(1.0, abs=1e-12)


def test_forbidden_quantity_converges_at_given_density():
    model = bf.zoo.graphene(mass=0.3)
    result = bf.response.anomalous_hall(model, None, 0.1, density=1.2 / model.lattice.volume)
    assert bool(result.converged.all())
    assert float(abs(result.value).max()) < 1e-12


def test_unknown_uncertainty_of_mu_is_an_unknown_error():
    # an odd grid has no half, hence no error of mu
    result = bf.response.anomalous_hall(bf.zoo.haldane(), None, 0.1, density=1.0, grid=11, throw=False)
    at_mu = bf.response.anomalous_hall(bf.zoo.haldane(), result.mu.values.ravel(), 0.1, grid=11, throw=False)
    assert np.isfinite(result.value.values).all() and np.isnan(result.error.sel(a="x", b="y")).all()
    assert not result.converged.values.any()
    # the same sums, in another order
    assert result.value.values.ravel() == pytest.approx(at_mu.value.values.ravel(), rel=1e-12)


@pytest.mark.parametrize("length", [1e-10, 1.0, 1e10])
def test_unit_of_length_does_not_matter(length):
    single = bf.zoo.haldane()
    cells, blocks = single.cells, single.blocks
    lattice, orbitals = length * np.asarray(single.lattice.vectors), length * np.asarray(single.orbitals)
    model = bf.TightBinding.from_blocks(lattice, orbitals, cells, blocks)
    sigma = bf.response.anomalous_hall(model, 0.0, 0.0, grid=24).value.values[0, 0, 0, 1]
    assert sigma * 2 * np.pi == pytest.approx(1.0, abs=1e-6)  # 24 points per axis; see the table of references


def test_evaluations_are_bounded():
    model = bf.zoo.haldane()
    with pytest.raises(ValueError, match=r"Argument `max_evaluations` must allow the 864 k points"):
        bf.response.anomalous_hall(model, 0.0, 0.0, tolerance=bf.Tolerance(max_evaluations=5))
    with pytest.raises(ValueError, match="Argument `shift` must"):
        bf.response.anomalous_hall(model, 0.0, 0.0, shift=None)


def test_both_tolerances_are_recorded(model):
    result = bf.response.anomalous_hall(model, 0.0, 0.1, grid=8, tolerance=bf.Tolerance(rtol=0, atol=1e-3), throw=False)
    assert (result.attrs["rtol"], result.attrs["atol"]) == (0.0, 1e-3)


@pytest.mark.parametrize("shift", [1.0, -0.1, 1e20])
def test_shift_lies_within_one_spacing(model, shift):
    with pytest.raises(ValueError, match=r"Argument `shift` must lie in \[0, 1\)"):
        bf.response.anomalous_hall(model, 0.0, 0.1, grid=8, shift=shift)


def test_shift_needs_a_fixed_grid(model):
    with pytest.raises(ValueError, match="Argument `shift` must come with a fixed `grid`"):
        bf.response.anomalous_hall(model, 0.0, 0.1, shift=0.5)


def test_settings_enter_the_record(model):
    results = [
        bf.response.anomalous_hall(model, 0.0, 0.1, grid=8, shift=shift, throw=False).attrs for shift in (0.0, 0.5)
    ]
    assert [attrs["shift"] for attrs in results] == [0.0, 0.5]
    assert results[0]["input_hash"] != results[1]["input_hash"]


def test_no_error_is_below_rounding():
    result = bf.response.electron_density(bf.zoo.square(), 100.0, 0.0, grid=8)
    assert 0 < result.error.item() < 1e-13
