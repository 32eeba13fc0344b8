"""Models of (k, x, t) of the zoo: their known answers."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jax, jnp
from blochflow.dynamics.equations import Adiabatic, curvatures, level
from blochflow.models.zoo._graphene_on_hbn import pattern
from blochflow.models.zoo._twisted_mote2 import layer_potentials

QUICK = {"estimate_error": False, "execution": bf.Execution(workers=1, progress=False)}


@pytest.mark.parametrize("name", bf.zoo.textures())
def test_every_texture_is_documented_and_made(name):
    function = getattr(bf.zoo, name)
    model = function()
    assert model.name == name and model.varies_in_space != (name == "pumped_rice_mele")
    assert bf.zoo.summary(name).endswith(".") and "Known answers" in inspect.getdoc(function)
    # one parameter changes H, and only by its own name
    moved = model.replace(**{next(iter(model.parameters)): 1.234})
    k, x, t = jnp.full(model.dimension, 0.05), jnp.full(model.dimension, 3.0), jnp.asarray(20.0)
    assert np.abs(np.asarray(moved.local_hamiltonian(k, x, t) - model.local_hamiltonian(k, x, t))).max() > 1e-6
    with pytest.raises(ValueError, match="must name parameters of the model"):
        model.replace(nonsense=1.0)


def winding(field, cell, points):
    """(1/4 pi) Int n.(d_1 n x d_2 n) over a cell spanned by the rows, n = field/|field|; exact derivatives."""
    u = (np.stack(np.meshgrid(*(np.arange(points),) * 2, indexing="ij"), -1).reshape(-1, 2) + 0.5) / points

    def unit(v):
        d = field(v @ jnp.asarray(cell))
        return d / jnp.linalg.norm(d)

    n, slope = jax.vmap(unit)(jnp.asarray(u)), jax.vmap(jax.jacfwd(unit))(jnp.asarray(u))
    density = jnp.einsum("pa,pa->p", n, jnp.cross(slope[..., 0], slope[..., 1]))
    return float(density.mean()) / (4 * np.pi)


@pytest.mark.parametrize(
    ("depth", "angle", "tunneling", "charge", "least", "most"),
    [
        (8.0, -89.6, -8.5, -1, 8.5, 41.5682064),
        (8.0, 89.6, -8.5, 1, 8.5, 41.5682064),
        (20.8, 107.7, -23.8, 1, 23.8, 102.9636),
    ],
)
def test_layer_texture_of_twisted_mote2(depth, angle, tunneling, charge, least, most):
    """Winding number and extrema of the layer field: Wu et al. (2019) and two other parameter sets."""
    period = 1.0
    size = 4 * np.pi / (np.sqrt(3) * period)

    def field(x):
        bottom, top, between = layer_potentials(x, size, depth, np.deg2rad(angle), tunneling)
        return jnp.stack([between.real, -between.imag, (bottom - top) / 2])

    # lattice vectors a_i with a_i.b_j = 2 pi delta_ij for b_1 and b_2 at 0 and 60 degrees
    b = size * np.array([[1.0, 0.0], [0.5, np.sqrt(3) / 2]])
    cell = 2 * np.pi * np.linalg.inv(b).T
    # smooth and periodic: the sum converges exponentially; orientation of the cell is that of its determinant
    assert np.sign(np.linalg.det(cell)) * winding(field, cell, 60) == pytest.approx(charge, abs=1e-6)
    u = np.stack(np.meshgrid(*(np.arange(240) / 240,) * 2, indexing="ij"), -1).reshape(-1, 2)
    lengths = np.linalg.norm(jax.vmap(field)(jnp.asarray(u @ cell)), axis=1)
    # the extrema are at the three-fold points, which are on this grid
    assert lengths.min() == pytest.approx(least, rel=1e-6) and lengths.max() == pytest.approx(most, rel=1e-6)


def test_skyrmion_is_a_flux_quantum():
    model = bf.zoo.skyrmion(radius=3.0, helicity=0.7)
    radii, weights = np.polynomial.legendre.leggauss(200)
    radii, weights = 3.0 * np.tan(np.pi / 4 * (radii + 1)), weights * 3.0 * np.pi / 4
    weights = weights * (1 + (radii / 3.0) ** 2)

    def omega(r):
        here = level(model, jnp.asarray(0), jnp.array([0.2, -0.1]), jnp.array([r, 0.0]), jnp.zeros(()))
        return curvatures(here, Adiabatic(), 2)[2, 3]

    values = np.asarray(jax.jit(jax.vmap(omega))(jnp.asarray(radii)))
    assert 2 * np.pi * (weights * radii * values).sum() == pytest.approx(2 * np.pi, rel=1e-9)


def test_pump_moves_a_filled_band_by_one_cell():
    model = bf.zoo.pumped_rice_mele(period=400.0)
    k = np.arange(32) / 32 * 2 * np.pi
    run = bf.propagate(model, bf.WavePacket(np.zeros((32, 1)), k[:, None]), [0.0, 400.0], **QUICK)
    # periodic in k: 16 points miss 1e-3, 32 its square
    assert float(run.position.values[:, -1, 0].mean()) == pytest.approx(1.0, abs=3e-6)


def test_step_shifts_a_packet_sideways_by_the_integral_of_the_curvature():
    velocity, mass, step, start = 1.0, 0.3, 0.2, 0.9
    model = bf.zoo.electrostatic_profile(velocity=velocity, mass=mass, step=step, width=10.0)
    packet = bf.WavePacket([-150.0, 0.0], [start, 0.0], band=1)
    run = bf.propagate(model, packet, [0.0, 350.0], **QUICK)
    energy = np.hypot(start, mass)
    after = np.sqrt((energy - step) ** 2 - mass**2)
    assert run.wavevector.values[0, -1] == pytest.approx([after, 0.0], abs=1e-8)

    def integral(k):
        return -0.5 * k / np.hypot(k, mass) / mass  # of Omega_+ = -mass/(2 E^3)

    # ydot = -Omega_yx kdot_x = Omega kdot_x
    assert run.position.values[0, -1, 1] == pytest.approx(integral(after) - integral(start), abs=1e-8)


def test_strain_moves_the_cones_by_a_gauge_field():
    stiffness, strength = 3.0, 1e-5
    model = bf.zoo.strained_graphene(stiffness=stiffness, strength=strength, mass=0.0)
    x = np.array([7.0, -4.0])
    strain = 2 * strength * np.array([[x[1], x[0]], [x[0], -x[1]]])
    shift = np.sqrt(3) / 2 * stiffness * np.array([strain[0, 0] - strain[1, 1], -2 * strain[0, 1]])
    for sign in (1, -1):
        corner = sign * np.array([4 * np.pi / 3, 0.0])
        here = model.at(x)

        def crossing(k, here=here):
            return np.asarray(here.hamiltonian(k))[0, 1]

        k = corner.copy()
        for _ in range(20):  # Newton for f(k) = 0
            f = crossing(k)
            step = 1e-6
            slopes = [(crossing(k + step * e) - crossing(k - step * e)) / (2 * step) for e in np.eye(2)]
            matrix = np.array([[s.real for s in slopes], [s.imag for s in slopes]])
            k = k - np.linalg.solve(matrix, [f.real, f.imag])
        found = k - corner
        # first order in the strain, 1e-3: the next order is that small again
        assert min(np.abs(found - shift).max(), np.abs(found + shift).max()) < 3e-3 * np.abs(shift).max()
        if sign == 1:
            first = found
    np.testing.assert_allclose(found, -first, atol=3e-3 * np.abs(shift).max())


def test_gap_of_graphene_on_hbn_changes_sign():
    u = np.stack(np.meshgrid(*(np.arange(120) / 120,) * 2, indexing="ij"), -1).reshape(-1, 2)
    x = u @ np.array([[140.0, 0.0], [70.0, 70 * np.sqrt(3)]])
    # reciprocal to G at 0 and 120 degrees: turned by 30 degrees
    turned = x @ np.array([[np.cos(np.pi / 6), -np.sin(np.pi / 6)], [np.sin(np.pi / 6), np.cos(np.pi / 6)]])
    values = np.asarray(jax.vmap(lambda y: pattern(y, 140.0, 0.0))(jnp.asarray(turned)))
    assert values.max() == pytest.approx(3.0, abs=1e-12) and values.min() == pytest.approx(-1.5, abs=1e-12)
    one, other = bf.zoo.graphene_on_hbn(valley=1.0), bf.zoo.graphene_on_hbn(valley=-1.0)
    k, place = np.array([0.02, -0.03]), np.array([30.0, 11.0])
    np.testing.assert_allclose(one.at(place).hamiltonian(k), np.conj(other.at(place).hamiltonian(-k)), atol=1e-15)


def test_sides_of_a_wall_have_half_a_chern_number_each():
    wall = bf.zoo.domain_wall(mass=0.2, cutoff=40.0)
    sides = [
        bf.response.anomalous_hall(wall.at([x, 0.0]), 0.0, 0.0, execution=QUICK["execution"]).value.values[0, 0, 0, 1]
        for x in (-500.0, 500.0)
    ]
    # missing beyond the cutoff: mass/cutoff = 0.5 %
    assert 2 * np.pi * np.array(sides) == pytest.approx([0.5, -0.5], rel=6e-3)
