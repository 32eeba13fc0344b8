"""Equations of motion of a wave packet in one band.

    xdot_a = d_ka h - Omega_ka,kb kdot_b - Omega_ka,xb xdot_b - Omega_ka,t
    kdot_a = -d_xa h - e E_a - e (xdot x B)_a + Omega_xa,kb kdot_b + Omega_xa,xb xdot_b + Omega_xa,t
    h = E_n - m.B - sum_a Im<d_xa u|(E_n - H)|d_ka u> [+ (e^2/2) E.T.E],     D = Pf(w)
    dh/dt = -e E.xdot + d_t h + Omega_xa,t xdot_a + Omega_ka,t kdot_a          (power)

with Omega_ll' = -2 Im sum_m V_l,nm V_l',mn/(E_n - E_m)^2, V_l = U^+ (d_l H) U, for every pair of labels l of (k, x, t).
Second order in E: the electron is shifted by a'_a = -e T_ab E_b, so that Omega_ab gains d_a a'_b - d_b a'_a.
Sources: Sundaram and Niu, PRB 59, 14915 (1999), Eqs. (3.11), (5.8); Xiao, Chang, Niu, RMP 82, 1959 (2010), Sec. V;
Gao, Yang, Niu, PRL 112, 166601 (2014).  One packet here; batches are mapped over it.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx

from blochflow.core.backend import Array, jax, jnp
from blochflow.dynamics.symplectic import phase_space_density, solve_form
from blochflow.geometry.bands import basis_curvature, covariant_gradient
from blochflow.geometry.eigen import eigh
from blochflow.models.base import PAIRS, AbstractModel
from blochflow.models.fields import Fields
from blochflow.models.local import AbstractLocalModel


class Adiabatic(eqx.Module):
    """Theory of one band: the packet stays in its band.

    Parameters
    ----------
    berry, moment : bool
        Keep Berry curvatures, and the energy -m.B of the orbital moment; switched off to see what they do.
    gradient_energy : bool
        Energy of a texture, -Im<d_x u|(E - H)|d_k u>, of the order of the mixed curvatures.
    second_order : bool
        Second order in the electric field: positional shift and (e^2/2) E.T.E.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.Adiabatic(second_order=True).gradient_energy
    True
    """

    berry: bool = eqx.field(static=True, default=True)
    moment: bool = eqx.field(static=True, default=True)
    gradient_energy: bool = eqx.field(static=True, default=True)
    second_order: bool = eqx.field(static=True, default=False)


class Level(eqx.Module):
    """One band at one (k, x, t).

    Attributes
    ----------
    energy : ()
    slopes : (L,)
        <n|d_l H|n> for the labels l = k_1.., x_1.., t.
    columns : (L, m)
        <m|d_l H|n>.
    inverse : (m,)
        1/(E_n - E_m), 0 for m = n.
    basis : (a, a) or None
        Curvature of the basis of Wannier functions.
    """

    energy: Array
    slopes: Array
    columns: Array
    inverse: Array
    basis: Array | None

    def tensor(self, power: int) -> Array:
        """sum_m V_l,nm V_l',mn/(E_n - E_m)^power, (L, L)."""
        return jnp.einsum("lm,jm,m->lj", jnp.conj(self.columns), self.columns, self.inverse**power)

    @property
    def gap(self) -> Array:
        """Distance to the nearest band; infinite for a single one."""
        return 1 / jnp.max(jnp.abs(self.inverse))


class Motion(eqx.Module):
    """What the equations say of one packet at one time.

    Attributes
    ----------
    velocity, force : (d,)
        xdot and kdot.
    power : ()
        dh/dt.
    energy : ()
        h.
    density : ()
        Phase-space density D.
    gap : ()
    adiabaticity : ()
        Largest hbar |<m|du_n/dt>|/|E_n - E_m|.
    norm : ()
        Of the state, 1 for theories without one.
    """

    velocity: Array
    force: Array
    power: Array
    energy: Array
    density: Array
    gap: Array
    adiabaticity: Array
    norm: Array


class HamiltonianHere(eqx.Module):
    """H at one (k, x, t), in the orbital basis.

    Attributes
    ----------
    hamiltonian : (n, n)
    gradient : (L, n, n)
        Covariant derivatives for the labels l = k_1.., x_1.., t.
    position, basis : (a, n, n), (a, b, n, n) or None
        Position matrices of Wannier functions, and the curvature of their basis.
    """

    hamiltonian: Array
    gradient: Array
    position: Array | None = None
    basis: Array | None = None


def hamiltonian_at(model: AbstractModel | AbstractLocalModel, k: Array, x: Array, t: Array) -> HamiltonianHere:
    """H and its derivatives at one place; t in the model's unit."""
    d = k.shape[0]
    if isinstance(model, AbstractLocalModel):
        found = model.local_matrices(k, x, t)
        gradient = jnp.concatenate([found.k_gradient, found.x_gradient, found.t_gradient[None]])
        return HamiltonianHere(found.hamiltonian, gradient)
    matrices = model.matrices(k[None])
    hamiltonian = matrices.hamiltonian[0]
    gradient = jnp.zeros((2 * d + 1, *hamiltonian.shape), dtype=hamiltonian.dtype)
    gradient = gradient.at[:d].set(covariant_gradient(matrices)[0])
    if matrices.position is None:
        return HamiltonianHere(hamiltonian, gradient)
    return HamiltonianHere(hamiltonian, gradient, matrices.position[0], basis_curvature(matrices)[0])


def level(model: AbstractModel | AbstractLocalModel, band: Array, k: Array, x: Array, t: Array) -> Level:
    """Energy of a band and its matrix elements with all others; t in the model's unit."""
    here = hamiltonian_at(model, k, x, t)
    energies, states = eigh(here.hamiltonian)
    state = states[:, band]
    columns = jnp.einsum("im,lij,j->lm", jnp.conj(states), here.gradient, state)
    others = jnp.arange(energies.shape[0]) != band
    inverse = jnp.where(others, 1 / jnp.where(others, energies[band] - energies, 1.0), 0.0)
    basis = here.basis
    if basis is not None:
        basis = jnp.einsum("i,abij,j->ab", jnp.conj(state), basis, state).real
    return Level(energies[band], columns[:, band].real, columns, inverse, basis)


def packet_energy(here: Level, electric: Array, magnetic: Array, theory: Adiabatic, textured: bool) -> Array:
    """h of the theory: band energy, moment, texture, second order."""
    d = electric.shape[0]
    energy = here.energy
    if theory.moment and magnetic.shape[0]:
        # (E_m - E_n)/(E_n - E_m)^2 = -1/(E_n - E_m)
        first = here.tensor(1).imag
        energy = energy + sum(magnetic[p] * first[a, b] for p, (a, b) in enumerate(PAIRS[d]))
    if theory.gradient_energy and textured:
        energy = energy - jnp.trace(here.tensor(1)[d : 2 * d, :d].imag)
    if theory.second_order:
        energy = energy + 0.5 * electric @ normalised_metric(here, d) @ electric
    return energy


def normalised_metric(here: Level, d: int) -> Array:
    """T_ab = -2 Re sum_m V_a,nm V_b,mn/(E_n - E_m)^3."""
    return -2 * here.tensor(3)[:d, :d].real


def curvatures(here: Level, theory: Adiabatic, d: int) -> Array:
    """Omega_ll' for all labels, (2d + 1, 2d + 1)."""
    if not theory.berry:
        return jnp.zeros((2 * d + 1, 2 * d + 1))
    omega = -2 * here.tensor(2).imag
    return omega if here.basis is None else omega.at[:d, :d].add(here.basis)


class Sides(eqx.Module):
    """Both sides of w d(x, k)/dt = g, and what they are made of.

    Attributes
    ----------
    form : (2d, 2d)
    right : (2d,)
        d h/d(x, k) + (E, 0), less curvatures with t.
    slopes : (2d + 1,)
        d h/d(k, x, t).
    omega : (2d + 1, 2d + 1)
        Curvatures, in the same order.
    energy : ()
        h.
    here : Level
    electric : (d,)
    """

    form: Array
    right: Array
    slopes: Array
    omega: Array
    energy: Array
    here: Level
    electric: Array


def motion(
    model: AbstractModel | AbstractLocalModel, band: Array, k: Array, x: Array, t: Array, fields: Fields, theory: Any
) -> Motion:
    """Velocity, force and energy of one packet; t in kernel units."""
    d = k.shape[0]
    both = sides(model, band, k, x, t, fields, theory)
    rate = solve_form(both.form, both.right)
    velocity, force = rate[:d], rate[d:]
    power = power_of(both.slopes, both.omega, both.electric, rate)
    speeds = jnp.concatenate([force, velocity, jnp.array([fields.clock])])
    mixing = jnp.abs(speeds @ both.here.columns) * both.here.inverse**2
    density = phase_space_density(both.form)
    return Motion(velocity, force, power, both.energy, density, both.here.gap, mixing.max(), jnp.ones(()))


def sides(
    model: AbstractModel | AbstractLocalModel, band: Array, k: Array, x: Array, t: Array, fields: Fields, theory: Any
) -> Sides:
    """Both sides of the equations of motion of one packet; t in kernel units."""
    d = k.shape[0]
    textured = isinstance(model, AbstractLocalModel) and model.varies_in_space
    clock = fields.clock

    def energy_at(k: Array, x: Array, t: Array) -> tuple[Array, Level]:
        here = level(model, band, k, x, clock * t)
        electric, magnetic = fields.electric_at(x, t), fields.magnetic_at(x, t)
        return packet_energy(here, electric, magnetic, theory, textured), here

    bare = not ((theory.moment and fields.is_magnetic) or (theory.gradient_energy and textured) or theory.second_order)
    if bare:
        energy, here = energy_at(k, x, t)
        slopes = here.slopes.at[-1].multiply(clock)
    else:
        (energy, here), each = jax.value_and_grad(energy_at, argnums=(0, 1, 2), has_aux=True)(k, x, t)
        slopes = jnp.concatenate([each[0], each[1], each[2][None]])
    omega = curvatures(here, theory, d)
    omega = omega.at[-1].multiply(clock).at[:, -1].multiply(clock)
    electric, magnetic = fields.electric_at(x, t), fields.magnetic_at(x, t)
    if theory.second_order:

        def shift(k: Array) -> Array:
            return -normalised_metric(level(model, band, k, x, clock * t), d) @ electric

        turn = jax.jacfwd(shift)(k)  # (b, a): d_a a'_b
        omega = omega.at[:d, :d].add(turn.T - turn)
    form, right = symplectic_form(omega, magnetic), right_side(slopes, omega, electric)
    return Sides(form, right, slopes, omega, energy, here, electric)


def right_side(slopes: Array, omega: Array, electric: Array) -> Array:
    """g of w d(x, k)/dt = g, (2d,), from slopes of the energy and curvatures for the labels k, x, t."""
    d = electric.shape[0]
    return jnp.concatenate([slopes[d : 2 * d] + electric - omega[d : 2 * d, -1], slopes[:d] - omega[:d, -1]])


def power_of(slopes: Array, omega: Array, electric: Array, rate: Array) -> Array:
    """dh/dt of a packet with d(x, k)/dt = ``rate``."""
    d = electric.shape[0]
    velocity, force = rate[:d], rate[d:]
    return -electric @ velocity + slopes[-1] + omega[d : 2 * d, -1] @ velocity + omega[:d, -1] @ force


def symplectic_form(omega: Array, magnetic: Array | None = None) -> Array:
    """The form w of xi = (x, k), (2d, 2d)."""
    d = (omega.shape[0] - 1) // 2
    kk, kx, xx = omega[:d, :d], omega[:d, d : 2 * d], omega[d : 2 * d, d : 2 * d]
    if magnetic is not None:
        for p, (a, b) in enumerate(PAIRS[d]):
            xx = xx.at[a, b].add(-magnetic[p]).at[b, a].add(magnetic[p])
    mixed = jnp.eye(d) + kx
    return jnp.block([[xx, -mixed.T], [mixed, kk]])
