"""One sign test per line of docs/conventions.md, each against a calculation written out here from first principles.

The references below use NumPy only, on Hamiltonians typed from their formulas, so that a sign cannot be wrong twice.
"""

from __future__ import annotations

from itertools import pairwise

import jax.numpy as jnp
import numpy as np
import pytest

import blochflow as bf

K0 = np.array([0.4, 0.7])
STEP = 1e-4  # central differences: error step^2 ~ 1e-8, rounding eps/step ~ 1e-12
FD = 1e-6  # bound for central differences of order-one functions with STEP
SX, SY, SZ = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]], dtype=complex)


def two_band(k):
    """Chern insulator sin kx sx + sin ky sy + (-1.2 + cos kx + cos ky) sz, all orbitals at the origin."""
    return np.sin(k[0]) * SX + np.sin(k[1]) * SY + (-1.2 + np.cos(k[0]) + np.cos(k[1])) * SZ


def gradient(k):
    """d_a H of `two_band`."""
    return np.stack([np.cos(k[0]) * SX - np.sin(k[0]) * SZ, np.cos(k[1]) * SY - np.sin(k[1]) * SZ])


@pytest.fixture(scope="module")
def model():
    hoppings = [
        (-1.2, 0, 0, (0, 0)),
        (1.2, 1, 1, (0, 0)),
        # sin kx sx + cos kx sz = [(sz - i sx) e^{ikx} + h.c.]/2
        (0.5, 0, 0, (1, 0)),
        (-0.5, 1, 1, (1, 0)),
        (-0.5j, 0, 1, (1, 0)),
        (-0.5j, 1, 0, (1, 0)),
        # sin ky sy + cos ky sz = [(sz - i sy) e^{iky} + h.c.]/2
        (0.5, 0, 0, (0, 1)),
        (-0.5, 1, 1, (0, 1)),
        (-0.5, 0, 1, (0, 1)),
        (0.5, 1, 0, (0, 1)),
    ]
    built = bf.TightBinding(np.eye(2), np.zeros((2, 2)), hoppings, operators={"spin": np.stack([SX, SY, SZ])})
    np.testing.assert_allclose(built.hamiltonian(K0), two_band(K0), atol=1e-14)  # rounding of a sum of ten terms
    return built


def eigenvectors(k):
    return np.linalg.eigh(two_band(k))[1]


def plaquette_flux(k, size, band):
    """Berry phase around the square k, k + x, k + x + y, k + y: -Im log of the product of overlaps."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) * size
    states = [eigenvectors(k + corner)[:, band] for corner in corners[:4]]
    states.append(states[0])
    return -np.angle(np.prod([np.vdot(a, b) for a, b in pairwise(states)]))


def state_derivatives(k, band):
    """d_a u in the gauge where <u(k)|u(k')> > 0, (a, i)."""
    u = eigenvectors(k)[:, band]

    def aligned(at):
        v = eigenvectors(at)[:, band]
        return v / np.exp(1j * np.angle(np.vdot(u, v)))

    shifts = STEP * np.eye(2)
    return np.stack([(aligned(k + s) - aligned(k - s)) / (2 * STEP) for s in shifts])


def test_hamiltonian_has_orbital_positions_in_the_phases():
    lattice, tau, cell = np.array([[1.0, 0.0], [0.4, 1.3]]), np.array([[0.1, 0.2], [0.6, 0.35]]), np.array([1, -2])
    model = bf.TightBinding(lattice, tau, [(0.3 + 0.2j, 0, 1, tuple(cell))])
    distance = (cell + tau[1] - tau[0]) @ lattice
    expected = (0.3 + 0.2j) * np.exp(1j * K0 @ distance)
    assert abs(complex(model.hamiltonian(K0)[0, 1]) - expected) < 1e-14  # rounding


def test_k_is_cartesian_and_reciprocal_vectors_carry_2_pi():
    chain = bf.TightBinding([[2.0]], [[0.0]], [(-1.0, 0, 0, (1,))])
    assert float(chain.lattice.reciprocal[0, 0]) == pytest.approx(np.pi, rel=1e-15)  # one rounding
    assert float(chain.hamiltonian([np.pi / 2])[0, 0].real) == pytest.approx(2.0, rel=1e-14)  # -2 cos(k a) at the edge


def test_band_zero_is_the_lowest(model):
    energies = np.asarray(bf.bands(model, K0).energies[0])
    np.testing.assert_allclose(energies, np.linalg.eigvalsh(two_band(K0)), atol=1e-14)  # rounding
    assert energies[0] < energies[1]


def test_velocity_is_the_gradient_of_the_energy(model):
    velocity = np.diagonal(np.asarray(bf.bands(model, K0).velocity[0]), axis1=-2, axis2=-1).real
    slope = [
        (np.linalg.eigvalsh(two_band(K0 + s)) - np.linalg.eigvalsh(two_band(K0 - s))) / (2 * STEP)
        for s in STEP * np.eye(2)
    ]
    np.testing.assert_allclose(velocity, slope, atol=FD)


def test_connection_is_i_u_du(model):
    bands = bf.bands(model, K0)
    mine, theirs = np.asarray(bands.states[0]), eigenvectors(K0)
    phases = np.array([np.vdot(theirs[:, n], mine[:, n]) for n in range(2)])  # gauge of the library against NumPy's
    expected = 1j * np.einsum("i,ai->a", theirs[:, 0].conj(), state_derivatives(K0, 1))
    connection = np.asarray(bf.geometry.berry_connection(bands)[0])[:, 0, 1]
    np.testing.assert_allclose(connection, expected * phases[0].conj() * phases[1], atol=FD)


def test_curvature_is_the_berry_flux(model):
    size = 1e-3
    omega = np.asarray(bf.geometry.berry_curvature(bf.bands(model, K0 + size / 2))[0])
    for band in range(2):
        # the flux of a square of side h is h^2 Omega(centre) up to a relative h^2; rounding of a phase is eps/h^2
        assert omega[0, 1, band] == pytest.approx(plaquette_flux(K0, size, band) / size**2, rel=1e-5)
        assert omega[1, 0, band] == -omega[0, 1, band]


def test_geometric_tensor_is_metric_minus_half_i_curvature(model):
    bands = bf.bands(model, K0)
    du, u = state_derivatives(K0, 0), eigenvectors(K0)[:, 0]
    projected = du - np.outer(du @ u.conj(), u)
    expected = np.einsum("ai,bi->ab", projected.conj(), projected)
    tensor = np.asarray(bf.geometry.quantum_geometric_tensor(bands)[0])[..., 0]
    np.testing.assert_allclose(tensor, expected, atol=FD)
    metric = np.asarray(bf.geometry.quantum_metric(bands)[0])[..., 0]
    omega = np.asarray(bf.geometry.berry_curvature(bands)[0])[..., 0]
    np.testing.assert_allclose(tensor, metric - 0.5j * omega, atol=1e-14)  # the same sums, up to rounding


def test_moment_of_two_bands_is_half_the_gap_times_the_upper_curvature(model):
    bands = bf.bands(model, K0)
    gap = float(bands.energies[0, 1] - bands.energies[0, 0])
    omega = float(bf.geometry.berry_curvature(bands)[0, 0, 1, 1])
    moment = np.asarray(bf.geometry.orbital_moment(bands)[0, 0, 1])
    np.testing.assert_allclose(moment, 0.5 * gap * omega, rtol=1e-12)  # two-band identity, rounding


def test_moment_lowers_the_energy_by_m_dot_b():
    """Massive Dirac electron of charge -e: lowest conduction Landau level = D + omega_c/2 - m B + O(B^2)."""
    v, mass, count = 1.3, 0.4, 60

    def hamiltonian(k, v=v, mass=mass):
        return v * (k[0] * SX + k[1] * SY) + mass * SZ

    model = bf.ContinuumModel(hamiltonian, 2, cutoff=3.0)
    moment = float(bf.geometry.orbital_moment(bf.bands(model, [0.0, 0.0]))[0, 0, 1, 1])
    field = 1e-4
    # kinetic momentum p + e A: [pi_x, pi_y] = -i e B, so pi_x - i pi_y = sqrt(2 e B) a lowers; one more state in the
    # lower component than in the upper makes the truncated matrix exact for the lowest levels
    lower = np.sqrt(2 * field) * np.diag(np.sqrt(np.arange(1, count)), 1)[: count - 1]
    matrix = np.block([[mass * np.eye(count - 1), v * lower], [v * lower.T, -mass * np.eye(count)]])
    levels = np.linalg.eigvalsh(matrix)
    conduction = levels[levels > 0].min()
    assert np.abs(levels + mass).min() < 1e-12  # the zero mode sits at -D; eigenvalues of a matrix of norm ~ 1
    cyclotron = field * v**2 / mass
    correction = conduction - mass - cyclotron / 2
    assert correction == pytest.approx(-moment * field, rel=2e-3)  # next order is B v^2/(2 D^2) = 5e-4 relative


def kubo_hall(points):
    """sigma_xy of the lower band from the first-order change of its states under H' = +e E.r, charge -e (e = hbar = 1).

    j_x = -<v_x>,  <v_x> = 2 Re sum_m V_x,nm <m|E_y r_y|n>/(E_n - E_m),  <m|r_y|n> = i<m|d_y n> = i V_y,mn/(E_n - E_m)
    """
    total = 0.0
    for k in 2 * np.pi * np.stack(np.meshgrid(*2 * [np.arange(points) / points], indexing="ij"), -1).reshape(-1, 2):
        energies, states = np.linalg.eigh(two_band(k))
        vx, vy = (states.conj().T @ dh @ states for dh in gradient(k))
        gap = energies[0] - energies[1]
        total += -2 * (vx[0, 1] * 1j * vy[1, 0] / gap / gap).real
    return total / points**2  # the area of the cell is 1


def test_current_is_sigma_times_field_for_charge_minus_e(model):
    sigma = bf.response.anomalous_hall(model, 0.0, 0.0, grid=48)
    value = float(sigma.value.sel(a="x", b="y").item())
    assert value == pytest.approx(kubo_hall(48), abs=1e-12)  # the same grid: rounding of a sum of order one


def test_filled_chern_band_has_minus_chern_over_two_pi(model):
    points = 24
    grid = 2 * np.pi * np.arange(points) / points
    chern = sum(plaquette_flux(np.array([x, y]), 2 * np.pi / points, 0) for x in grid for y in grid) / (2 * np.pi)
    assert round(chern) == 1 and abs(chern - 1) < 1e-12  # an integer by construction, up to rounding
    assert bf.geometry.chern_number(model, bands=0) == 1
    sigma = bf.response.anomalous_hall(model, 0.0, 0.0)
    # gap 0.8 at a cell of length 1: the default tolerance rtol = 1e-3 is met with a wide margin
    assert float(sigma.value.sel(a="x", b="y").item()) == pytest.approx(-1 / (2 * np.pi), rel=1e-3)


def test_hall_units_are_e2_over_h_and_siemens_per_cm():
    hoppings = [(-1.0, 0, 1, (0, 0)), (-1.0, 1, 0, (1, 0)), (-1.0, 1, 0, (0, 1)), (0.15j, 0, 0, (1, 0))]
    hoppings += [(0.15j, 1, 1, (1, -1)), (0.15j, 1, 1, (0, 1)), (-0.15j, 1, 1, (1, 0)), (-0.15j, 0, 0, (1, -1))]
    hoppings += [(-0.15j, 0, 0, (0, 1))]
    sites = np.array([[1 / 3, 1 / 3], [2 / 3, 2 / 3]])
    plane = np.array([[1.0, 0.0], [0.5, 3**0.5 / 2]])
    flat = bf.TightBinding(plane, sites, hoppings, units=bf.EV_ANGSTROM)
    sigma = bf.response.anomalous_hall(flat, 0.0, 0.0, grid=48)
    assert sigma.attrs["units"] == "e^2/h"
    assert float(sigma.value.sel(a="x", b="y").item()) == pytest.approx(1.0, rel=1e-6)  # C = -1, gapped: exponential
    spacing = 4.0
    stacked = bf.TightBinding(
        np.diag([1.0, 1.0, spacing]) @ np.pad(plane, (0, 1)) + np.diag([0, 0, spacing]),
        np.pad(sites, ((0, 0), (0, 1))),
        [(value, i, j, (*cell, 0)) for value, i, j, cell in hoppings],
        units=bf.EV_ANGSTROM,
    )
    sigma = bf.response.anomalous_hall(stacked, 0.0, 0.0, grid=(48, 48, 1), throw=False)
    assert sigma.attrs["units"] == "S/cm"
    # one conductance quantum per layer: e^2/h / (4 angstrom), in S/cm
    assert float(sigma.value.sel(a="x", b="y").item()) == pytest.approx(3.874045864932e-5 / 4e-8, rel=1e-6)


def test_temperature_is_in_kelvin_for_ev_models_and_in_energy_for_natural_ones():
    level = {"lattice": [[1.0]], "orbitals": [[0.0]], "hoppings": [(0.1, 0, 0, (0,))]}
    kelvin = bf.response.electron_density(bf.TightBinding(**level, units=bf.EV_ANGSTROM), 0.0, 300.0, grid=4)
    natural = bf.response.electron_density(bf.TightBinding(**level), 0.0, 0.05, grid=4)
    assert float(kelvin.value.item()) == pytest.approx(1 / (np.exp(0.1 / (300 * 8.617333262e-5)) + 1), rel=1e-9)
    assert float(natural.value.item()) == pytest.approx(1 / (np.exp(2.0) + 1), rel=1e-12)  # rounding


def test_no_hidden_spin_factor(model):
    level = {"lattice": [[1.0]], "orbitals": [[0.0]], "hoppings": [(-1.0, 0, 0, (0,))]}
    single = bf.response.electron_density(bf.TightBinding(**level), 0.0, 0.0, grid=4)
    double = bf.response.electron_density(bf.TightBinding(**level, spin_degeneracy=2), 0.0, 0.0, grid=4)
    assert model.spin_degeneracy == 1
    assert float(single.value.item()) == 1.0
    assert float(double.value.item()) == 2.0


def test_zeeman_energy_is_positive_for_spin_along_the_field(model):
    with_field = model.with_zeeman([0.0, 0.0, 0.3], g=2.0)
    difference = np.asarray(with_field.hamiltonian(K0) - model.hamiltonian(K0))
    np.testing.assert_allclose(difference, 0.5 * 0.3 * SZ, atol=1e-15)  # mu_B = e hbar/2m = 1/2, charge -e; rounding


def test_spin_operator_is_pauli_matrices(model):
    up = bf.geometry.expectation(bf.bands(model, [0.0, 0.0]), "spin_z")
    np.testing.assert_allclose(up[0], [-1.0, 1.0], atol=1e-14)  # H(0) = 0.8 sz; rounding


def test_axial_vector_of_a_weyl_node_points_inward_for_positive_chirality():
    node = bf.ContinuumModel(lambda k: k[0] * SX + k[1] * SY + k[2] * SZ, 3, cutoff=2.0)
    k = np.array([0.3, -0.2, 0.5])
    omega = bf.geometry.berry_curvature(bf.bands(node, k))
    axial = np.asarray(bf.geometry.to_axial(omega)[0])[:, 1]
    np.testing.assert_allclose(axial, -k / (2 * np.linalg.norm(k) ** 3), rtol=1e-12)  # closed form, rounding
    np.testing.assert_allclose(axial, [omega[0, 1, 2, 1], omega[0, 2, 0, 1], omega[0, 0, 1, 1]], rtol=1e-14)


def test_step_at_zero_temperature_counts_half_at_mu():
    level = bf.TightBinding([[1.0]], [[0.0]], [(0.25, 0, 0, (0,))])
    density = bf.response.electron_density(level, [0.25 - 1e-9, 0.25, 0.25 + 1e-9], 0.0, grid=4)
    assert density.value.values[:, 0].tolist() == [0.0, 0.5, 1.0]


def flux_levels(sign, cells=24, points=24):
    """Levels (k, n) of `two_band` with B_z = 2 pi sign/cells per unit area, in the Landau gauge A = (0, B x).

    <i|H|j> exp(-i e Int_j^i A.dl) for charge -e: a bond from y + 1 to y at column x gets exp(+i B x), e = hbar = 1.
    """
    field = 2 * np.pi * sign / cells
    tx, ty = (SZ - 1j * SX) / 2, (SZ - 1j * SY) / 2
    found = []
    for kx in 2 * np.pi / cells * np.arange(2) / 2:
        for ky in 2 * np.pi * np.arange(points) / points:
            h = np.zeros((cells, 2, cells, 2), dtype=complex)
            for x in range(cells):
                along = ty * np.exp(1j * (ky + field * x))
                h[x, :, x] += -1.2 * SZ + along + along.conj().T
                onward = tx * np.exp(1j * kx * cells * (x == cells - 1))
                h[x, :, (x + 1) % cells] += onward
                h[(x + 1) % cells, :, x] += onward.conj().T
            found.append(np.linalg.eigvalsh(h.reshape(2 * cells, 2 * cells)))
    return field, np.array(found)


def field_derivative(function):
    """d/dB of a sum over levels per area at B = 0; differences of fluxes +/- 1/24 per cell are good to a per cent."""
    (field, up), (_, down) = flux_levels(1), flux_levels(-1)
    per_area = up.shape[0] * 24
    return (function(up).sum() - function(down).sum()) / per_area / (2 * field)


def test_magnetization_is_minus_the_field_derivative_of_the_grand_potential(model):
    mu, kt = -1.2, 0.3
    slope = field_derivative(lambda e: -kt * np.log1p(np.exp((mu - e) / kt)))
    found = bf.response.orbital_magnetization(model, mu, kt, grid=48)
    assert float(found.value.sel(a="x", b="y").item()) == pytest.approx(-slope, rel=0.02)  # steps of the flux


def test_filled_chern_band_gains_states_with_the_field(model):
    """dn/dB = C e/(2 pi hbar), C = +1: one state per flux quantum; sigma_xy = -e dn/dB."""
    slope = field_derivative(lambda e: (e < 0).astype(float))
    assert slope == pytest.approx(1 / (2 * np.pi), rel=1e-9)  # states are counted
    found = bf.response.streda(model, 0.0, 0.0, grid=48, part="sea")
    assert float(found.value.sel(a="x", b="y").item()) == pytest.approx(slope, rel=1e-6)  # gapped: exponential
    assert slope == pytest.approx(-kubo_hall(48), rel=1e-6)


def test_nernst_is_the_transport_current_for_j_minus_alpha_grad_t(model):
    """alpha = -(1/eT) Int de (-f')(e - mu) sigma_xy(e): what is left when the magnetization current is subtracted."""
    mu, kt, points = -1.2, 0.3, 48
    grid = 2 * np.pi * np.arange(points) / points
    levels, hall = [], []
    for k in np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2):
        energies, states = np.linalg.eigh(two_band(k))
        vx, vy = (states.conj().T @ dh @ states for dh in gradient(k))
        # conductivity of each band, as in `kubo_hall`
        for n, m in ((0, 1), (1, 0)):
            hall.append(-2 * (vx[n, m] * 1j * vy[m, n]).real / (energies[n] - energies[m]) ** 2)
            levels.append(energies[n])
    order = np.argsort(levels)
    steps, filled = np.array(levels)[order], np.cumsum(np.array(hall)[order]) / points**2
    energy = np.linspace(mu - 30 * kt, mu + 30 * kt, 20001)
    sigma = np.concatenate([[0.0], filled])[np.searchsorted(steps, energy)]
    x = (energy - mu) / kt
    alpha = -np.trapezoid(sigma * x / (4 * np.cosh(x / 2) ** 2), x)
    found = bf.response.anomalous_nernst(model, mu, kt, grid=48)
    assert float(found.value.sel(a="x", b="y").item()) == pytest.approx(alpha, rel=1e-3)  # trapezoids over steps

    def entropy(e):
        y = np.abs(e - mu) / kt
        return np.log1p(np.exp(-y)) + y / (1 + np.exp(y))

    # dM/dT = dS/dB is another number
    assert abs(field_derivative(entropy) - alpha) > 0.1 * abs(alpha)


def test_electrons_have_a_negative_thermopower():
    """E = S grad T at j = 0, from the Boltzmann equation v d_x f - e E d_k f = -g/tau of free electrons."""
    mu, kt, tau = 0.5, 0.05, 3.0
    energy = np.linspace(0.0, 4.0, 200001)
    x = (energy - mu) / kt
    slope = 1 / (4 * kt * np.cosh(x / 2) ** 2)  # -df/dE
    # v_x^2 averages to E in two dimensions; df/dT = -f' (E - mu)/T, and -e E v df/dE = +e E v (-f')
    by_gradient = -np.trapezoid(-tau * energy * slope * x, energy)  # j = -e Int v g for dT/dx = 1
    by_field = np.trapezoid(tau * energy * slope, energy)  # for E = 1
    found = bf.response.thermoelectric(bf.zoo.parabolic(), mu, kt, tau=tau)
    value = float(found.value.sel(a="x", b="x").item())
    assert value == pytest.approx(-by_gradient / by_field, rel=2e-3) and value < 0  # tolerance of the library


def honeycomb(k, phase, mass=0.0):
    """Haldane's Hamiltonian with t = -1, t2 = 0.06, typed from its formula, in the basis without orbital positions."""
    one, two = 2j * np.pi * k[0], 2j * np.pi * k[1]
    hop = -(1 + np.exp(-one) + np.exp(-two))
    a, b = (
        2 * 0.06 * sum(np.cos(x.imag + s * sign * phase) for x, s in ((one, 1), (one - two, -1), (two, 1)))
        for sign in (1, -1)
    )
    return np.array([[a - mass, hop], [np.conj(hop), b + mass]])


def reduced_fluxes(hamiltonian, points):
    """Berry flux of the lowest band through every plaquette of a grid in reduced coordinates, (i, j)."""
    states = np.array(
        [
            [np.linalg.eigh(hamiltonian(np.array([i, j]) / points))[1][:, 0] for j in range(points)]
            for i in range(points)
        ]
    )
    right, up = np.roll(states, -1, axis=0), np.roll(states, -1, axis=1)
    across = np.roll(right, -1, axis=1)
    loops = [(states, right), (right, across), (across, up), (up, states)]
    return -np.angle(np.prod([np.einsum("ijn,ijn->ij", a.conj(), b) for a, b in loops], axis=0))


def test_spin_current_is_half_of_up_minus_down():
    """A spin s/2 moves with the particles, whose current is -j/e: sigma^s_xy = (C_up - C_down)/2 e/(2 pi)."""
    up, down = (
        round(reduced_fluxes(lambda k, p=p: honeycomb(k, p), 24).sum() / (2 * np.pi)) for p in (np.pi / 2, -np.pi / 2)
    )
    assert (up, down) == (-1, 1)
    found = bf.response.spin_hall(bf.zoo.kane_mele(rashba=0.0, mass=0.0), 0.0, 0.0)
    value = 2 * np.pi * float(found.value.sel(a="x", b="y").item())
    assert value == pytest.approx((up - down) / 2, rel=1e-3)  # -1; tolerance of the library


def test_valley_k_of_gapped_graphene_has_a_positive_hall_conductivity():
    """K = b1/3 + 2 b2/3 lies in x1 < x2; sigma = -Int Omega, and Omega of the lower band is negative there."""
    points = 90
    flux = reduced_fluxes(lambda k: honeycomb(k, 0.0, mass=0.3), points)
    assert flux[points // 3, 2 * points // 3] < 0
    i, j = np.indices(flux.shape)
    expected = -(flux[i < j].sum() + 0.5 * flux[i == j].sum()) / (2 * np.pi)
    region = {"K": [[0, 0], [1, 1], [0, 1]]}
    model = bf.zoo.haldane(t2=0.06, phase=0.0, mass=0.3)
    found = bf.response.valley_hall(model, 0.0, 0.0, partition=region, throw=False)
    value = 2 * np.pi * float(found.value.sel(a="x", b="y").item())
    assert value > 0 and value == pytest.approx(expected, rel=0.03)  # plaquettes that the diagonal cuts


def test_side_jump_of_a_positive_mass_is_positive():
    cone = bf.zoo.massive_dirac(mass=0.3)
    sigma = bf.response.disordered_conductivity(cone, 1.0, 0.0, disorder=bf.Disorder.white(0.1))
    # the zoo's cone is kx sx + ky sy + M sz, a rotation of spins by -90 degrees about z: the same Hall effect
    assert sigma.side_jump.sel(a="y", b="x").item() > 0
    assert sigma.extrinsic_velocity.sel(a="y", b="x").item() > 0


def tilted(k):
    """`two_band` with a tilt, which breaks inversion."""
    return two_band(k) + (0.3 * np.sin(k[0]) + 0.2 * np.sin(k[1] + 0.5)) * np.eye(2)


def tilted_model():
    """The same for the library."""

    def hamiltonian(k):
        d = (jnp.sin(k[0]), jnp.sin(k[1]), -1.2 + jnp.cos(k[0]) + jnp.cos(k[1]))
        tilt = 0.3 * jnp.sin(k[0]) + 0.2 * jnp.sin(k[1] + 0.5)
        return sum(x * s for x, s in zip(d, (SX, SY, SZ), strict=True)) + tilt * jnp.eye(2)

    return bf.LatticeModel(hamiltonian, np.eye(2))


def lower_band(points):
    """Energies of the lowest band of `tilted` on a grid (i, j), and its curvature from plaquettes around each point."""
    axis = 2 * np.pi * np.arange(points) / points
    energies = np.array([[np.linalg.eigvalsh(tilted((x, y)))[0] for y in axis] for x in axis])
    flux = reduced_fluxes(lambda k: tilted(2 * np.pi * k), points) * (points / (2 * np.pi)) ** 2
    for axis_number in (0, 1):
        flux = 0.5 * (flux + np.roll(flux, 1, axis=axis_number))
    return energies, flux


def fermi_sea(energies, mu=-0.9, kt=0.2):
    """f, and its derivatives along both axes by Fourier transformation."""
    f = 1 / (np.exp((energies - mu) / kt) + 1)
    n = 1j * np.fft.fftfreq(len(f), 1 / len(f))
    return f, [np.fft.ifft(np.expand_dims(n, 1 - a) * np.fft.fft(f, axis=a), axis=a).real for a in (0, 1)]


def test_dipole_drives_the_anomalous_velocity_of_a_displaced_sea():
    """kdot = -E displaces the sea to f + tau E.df; then j = -Int f rdot, rdot_a = -Omega_ab kdot_b."""
    energies, curvature = lower_band(96)
    _, slopes = fermi_sea(energies)
    found = bf.response.nonlinear_conductivity(tilted_model(), -0.9, 0.2, tau=2.0, grid=96, throw=False)
    # field along y twice: j_x = -2 Int (d_y f) Omega_xy
    current = -2.0 * (slopes[1] * curvature).mean()
    sigma = found.parts.sel(part="bcd", a="x", b="y", c="y").item()
    # curvature from plaquettes, error 1/points^2; the upper band is nearly empty
    assert current * sigma > 0 and sigma == pytest.approx(current, rel=0.03)
    dipole = bf.response.berry_curvature_dipole(tilted_model(), -0.9, 0.2, grid=96, throw=False)
    assert dipole.value.sel(a="y", b="x", c="y").item() == pytest.approx(-(slopes[1] * curvature).mean(), rel=0.03)


def test_quadratic_drude_current_is_that_of_the_sea_displaced_twice():
    """f_2 = (tau E.d)^2 f and j = -Int v f_2: one-band chain of second neighbours with a phase."""
    k = 2 * np.pi * np.arange(200) / 200
    energy, velocity = -np.cos(k) + 0.3 * np.sin(2 * k), np.sin(k) + 0.6 * np.cos(2 * k)
    f = 1 / (np.exp((energy + 0.4) / 0.2) + 1)
    twice = np.fft.ifft(-(np.fft.fftfreq(200, 1 / 200) ** 2) * np.fft.fft(f)).real
    chain = bf.TightBinding([[1.0]], [[0.0]], [(-0.5, 0, 0, (1,)), (-0.15j, 0, 0, (2,))])
    found = bf.response.nonlinear_conductivity(chain, -0.4, 0.2, tau=3.0).value.item()
    assert found == pytest.approx(-9.0 * (velocity * twice).mean(), rel=1e-3)  # tolerance of the library


def test_metric_current_is_that_of_the_positional_shift():
    """A field shifts electrons by a' = -T E; in a field that grows, they move: part -i w of the clean limit."""
    grid = bf.bands(tilted_model(), [[0.3, 0.5]])
    normalised = np.asarray(bf.geometry.band_normalised_metric(grid))[0, 0, 0, 0]
    energies, states = np.linalg.eigh(tilted((0.3, 0.5)))
    x = 1j * (states.conj().T @ gradient((0.3, 0.5))[0] @ states)[1, 0] / (energies[0] - energies[1])
    # perturbed state of H + E x: <x> changes by 2 |x_10|^2 E/(E_0 - E_1)
    shift = 2 * abs(x) ** 2 / (energies[0] - energies[1])
    assert shift < 0 and normalised == pytest.approx(-shift, abs=1e-12)


def test_a_gradient_of_the_field_drives_current_by_minus_tau_squared():
    """f_1 = tau E f', f_2 = -tau v d_x f_1 and j = -Int v f_2: chi = -tau^2 Int (-f') v^3."""
    k = 2 * np.pi * np.arange(200) / 200
    energy, velocity = -np.cos(k) + 0.3 * np.sin(2 * k), np.sin(k) + 0.6 * np.cos(2 * k)
    f = 1 / (np.exp((energy + 0.4) / 0.2) + 1)
    slope = np.fft.ifft(1j * np.fft.fftfreq(200, 1 / 200) * np.fft.fft(f)).real
    chain = bf.TightBinding([[1.0]], [[0.0]], [(-0.5, 0, 0, (1,)), (-0.15j, 0, 0, (2,))])
    found = bf.response.nonlocal_conductivity(chain, -0.4, 0.2, tau=3.0).value.item()
    assert found == pytest.approx(9.0 * (velocity**2 * slope).mean(), rel=1e-3)  # tolerance of the library


def test_oscillating_fields_rectify_by_half_the_conductivity():
    """One band in E cos(wt): Boltzmann's equation in time, averaged over a period once transients have died out."""
    k = 2 * np.pi * np.arange(64) / 64
    energy, velocity = -np.cos(k) + 0.3 * np.sin(2 * k), np.sin(k) + 0.6 * np.cos(2 * k)
    f = 1 / (np.exp((energy + 0.4) / 0.3) + 1)
    number, tau, w, field = np.fft.fftfreq(64, 1 / 64), 2.0, 0.7, 0.01
    # d_t f = E cos(wt) d_k f - (f - f0)/tau, mode by mode in time: first and second order
    mode = 1j * number * np.fft.fft(f)
    first = 0.5 * mode / (1 / tau - 1j * w)
    steady = 0.5 * 1j * number * tau * (first + 0.5 * mode / (1 / tau + 1j * w))
    current = -(velocity * np.fft.ifft(steady).real).mean() * field**2
    chain = bf.TightBinding([[1.0]], [[0.0]], [(-0.5, 0, 0, (1,)), (-0.15j, 0, 0, (2,))])
    found = bf.response.nonlinear_conductivity(chain, -0.4, 0.3, tau=tau, frequencies=(w, -w)).value.item()
    assert 0.5 * (found * field**2).real == pytest.approx(current, rel=1e-3)  # tolerance of the library


def test_torque_is_m_cross_the_derivative_of_the_energy():
    """A moment along z that prefers -x feels T = m x dE/dm = z x x = y."""
    sx = jnp.array([[0, 1], [1, 0]], dtype=complex)

    def hamiltonian(k, m=(0.0, 0.0, 0.4)):
        return (k @ k + m[0]) * jnp.eye(2) + 0.1 * m[2] * sx

    from blochflow.response.observables import as_torque, at_points

    model = bf.ContinuumModel(hamiltonian, 2, cutoff=1.0)
    torque = at_points(as_torque(model, "m"), np.zeros((1, 2)))[0]
    np.testing.assert_allclose(torque[1], 0.4 * np.eye(2), atol=1e-15)


def packet_motion(model, band, k, x=None, electric=None, magnetic=None, **theory):
    """Velocity, force, energy and D of one packet."""
    from blochflow.dynamics.equations import Adiabatic, motion
    from blochflow.models.fields import as_fields

    d = len(k)
    fields = as_fields(electric, magnetic, d, model.units)
    x = jnp.zeros(d) if x is None else jnp.asarray(x)
    return motion(model, jnp.array(band), jnp.asarray(k), x, jnp.zeros(()), fields, Adiabatic(**theory))


def test_an_electron_is_pushed_against_the_electric_field_and_turns_left_in_a_positive_b():
    """A free electron of charge -e: k falls along E; with v along x and B along z it is pushed to +y."""
    free = bf.ContinuumModel(lambda k: 0.5 * (k @ k) * jnp.eye(1), 2, cutoff=3.0)
    now = packet_motion(free, 0, [0.7, 0.0], electric=[0.2, 0.0], magnetic=0.5)
    np.testing.assert_allclose(now.velocity, [0.7, 0.0], atol=1e-15)
    np.testing.assert_allclose(now.force, [-0.2, 0.7 * 0.5], atol=1e-15)


def test_the_anomalous_velocity_is_minus_kdot_cross_omega():
    """kdot = (-E, 0): -kdot x Omega = (0, -E Omega), Omega the phase around a small square of k."""
    model = bf.LatticeModel(
        lambda k: (
            jnp.asarray(SX) * jnp.sin(k[0])
            + jnp.asarray(SY) * jnp.sin(k[1])
            + jnp.asarray(SZ) * (-1.2 + jnp.cos(k[0]) + jnp.cos(k[1]))
        ),
        np.eye(2),
    )
    step = 1e-3
    corners = [K0 + step * np.array(c) for c in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))]
    states = [np.linalg.eigh(two_band(k))[1][:, 0] for k in corners]
    loop = np.prod([np.vdot(a, b) for a, b in zip(states, states[1:] + states[:1], strict=True)])
    omega = -np.angle(loop) / step**2
    field = 0.1
    across = np.asarray(
        packet_motion(model, 0, K0, electric=[field, 0.0]).velocity - packet_motion(model, 0, K0).velocity
    )
    np.testing.assert_allclose(across, [0.0, -field * omega], atol=1e-6)  # a square of side 1e-3: step^2


def test_phase_space_grows_where_b_is_along_omega():
    cone = bf.zoo.massive_dirac(mass=0.4)  # curvature of the upper band -mass/(2 eps^3)
    omega = -0.4 / (2 * np.hypot(0.4, 0.5) ** 3)
    now = packet_motion(cone, 1, [0.3, 0.4], magnetic=0.2)
    assert float(now.density) == pytest.approx(1 + 0.2 * omega, abs=1e-12)


def test_a_state_turns_with_minus_its_energy():
    """Two levels at rest, +-0.5: after t the upper amplitude has turned by exp(-i t) against the lower one."""
    atom = bf.LatticeModel(lambda k: 0.5 * jnp.diag(jnp.array([-1.0, 1.0])) + 0j, [[1.0]])
    packet, options = bf.WavePacket([0.0], [0.0], amplitudes=[0.6, 0.8]), {"estimate_error": False}
    run = bf.propagate(atom, packet, [0.0, 0.7], theory="ehrenfest", **options)
    chi = run.amplitudes_re.values[0, -1] + 1j * run.amplitudes_im.values[0, -1]
    np.testing.assert_allclose(chi[1] / chi[0], 0.8 / 0.6 * np.exp(-0.7j), atol=1e-8)


def test_curvature_of_a_group_is_that_of_its_projector():
    """i P [d_x P, d_y P] P by differences, and the sideways velocity -F kdot of a packet pushed along x."""

    def hamiltonian(k, xp=np):
        first, second = xp.kron(SX, SZ) * xp.sin(k[0]) + xp.kron(SY, np.eye(2)) * xp.sin(k[1]), xp.kron(SZ, np.eye(2))
        return first + second * (-1 + xp.cos(k[0]) + xp.cos(k[1])) + 0.4 * xp.sin(k[0]) * xp.kron(SX, SX)

    def projector(k):
        states = np.linalg.eigh(hamiltonian(k))[1][:, :2]
        return states @ states.conj().T

    p = projector(K0)
    by_x, by_y = ((projector(K0 + STEP * e) - projector(K0 - STEP * e)) / (2 * STEP) for e in np.eye(2))
    curvature = 1j * p @ (by_x @ by_y - by_y @ by_x) @ p
    chi = p @ np.array([0.1, 0.2, 0.3, 0.9j])
    chi = chi / np.linalg.norm(chi)
    field, model = 0.05, bf.LatticeModel(lambda k: hamiltonian(k, jnp), np.eye(2))
    packet, options = bf.WavePacket([0.0, 0.0], K0, amplitudes=chi), {"estimate_error": False}
    velocities = [
        bf.propagate(
            model, packet, [0.0, 1e-3], electric_field=[e, 0.0], theory=bf.Manifold((0, 1)), **options
        ).velocity
        for e in (field, 0.0)
    ]
    expected = field * np.vdot(chi, curvature @ chi).real  # ydot = -F_yx kdot_x, kdot_x = -E, F_yx = -F_xy
    assert abs(expected) > 1e-3
    assert float(velocities[0][0, 0, 1] - velocities[1][0, 0, 1]) == pytest.approx(-expected, abs=FD)


def test_gradient_energy_is_that_of_the_derivative_of_the_states():
    """-Im<d_x u|(E - H)|d_k u> by differences of projected states, which no phase changes."""

    def chain(k, x):
        angle = 0.3 * x
        return np.cos(k) * SX + np.sin(k) * np.cos(angle) * SY + (0.5 + np.sin(angle)) * SZ

    def traced(k, x, t):
        angle = 0.3 * x[0]
        return (
            jnp.cos(k[0]) * jnp.asarray(SX)
            + jnp.sin(k[0]) * jnp.cos(angle) * jnp.asarray(SY)
            + (0.5 + jnp.sin(angle)) * jnp.asarray(SZ)
        )

    k, x = 0.8, 1.3
    energies, states = np.linalg.eigh(chain(k, x))
    u, other = states[:, 1], states[:, 0]

    def across(k, x):
        v = np.linalg.eigh(chain(k, x))[1][:, 1]
        return np.vdot(other, v) / np.vdot(u, v)

    by_x = (across(k, x + STEP) - across(k, x - STEP)) / (2 * STEP)
    by_k = (across(k + STEP, x) - across(k - STEP, x)) / (2 * STEP)
    expected = -(np.conj(by_x) * (energies[1] - energies[0]) * by_k).imag
    model = bf.LocalModel(traced, lattice=[[1.0]])
    found = packet_motion(model, 1, [k], [x]).energy - packet_motion(model, 1, [k], [x], gradient_energy=False).energy
    assert abs(expected) > 1e-3 and float(found) == pytest.approx(expected, abs=FD)


def test_a_field_gives_hybridised_bands_the_velocity_plus_omega_e():
    model, k, field = bf.zoo.qwz(mass=-1.3), [[0.4, -0.7]], np.array([1e-5, 2e-5])
    omega = np.asarray(bf.geometry.berry_curvature(bf.bands(model, k)))[0]
    found = bf.nonadiabatic.hybrid_bands(model, k, field)
    shift = (found.velocity - found.energy_gradient).values[0, 0]
    # of second order in E: 1e-5 of it
    np.testing.assert_allclose(shift, np.einsum("abn,b->na", omega, field), rtol=1e-4)
    assert np.abs(shift).max() > 1e-6


def test_a_cone_of_positive_mass_drives_its_current_to_the_left_of_the_field():
    cone = bf.zoo.massive_dirac(mass=0.1, cutoff=1.0)
    tolerance = bf.Tolerance(rtol=1e-2)
    found = bf.response.finite_field_current(cone, 0.0, 0.0, electric_field=[0.02, 0.0], tau=1.0, tolerance=tolerance)
    assert 1e-3 < float(found.value.sel(a="y").item()) < 0.02 / (4 * np.pi)


def test_the_bound_current_of_a_texture_is_the_curl_of_its_magnetization():
    """Of Berry curvature: M grows with the mass of the local model, which grows along y."""
    wall = bf.textured(bf.zoo.qwz(), mass=lambda x, t: -1.5 + 0.02 * x[1])
    options = {"grid": 24, "throw": False}
    still = {"electric_field": [0.0, 0.0], "tau": 1.0, "x": [0.0, 0.0], "theory": "single_band"}
    bound = bf.response.finite_field_current(wall, 0.2, 0.2, **still, **options).bound.values.squeeze()
    ends = [
        bf.response.orbital_magnetization(wall.at([0.0, y]), 0.2, 0.2, symmetry=False, **options)
        .parts.sel(part="berry", a="x", b="y")
        .item()
        for y in (-0.1, 0.1)
    ]
    # second order in the step, 1e-2 of a texture of length 50
    np.testing.assert_allclose(bound, [(ends[1] - ends[0]) / 0.2, 0.0], rtol=1e-4, atol=1e-12)
