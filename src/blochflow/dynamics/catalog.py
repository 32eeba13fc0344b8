"""What moving wave packets are: static text that needs no JAX."""

from __future__ import annotations

from blochflow.core.quantity import Quantity

PROPAGATE = Quantity(
    name="propagate",
    title="Trajectories of wave packets",
    symbol="x, k",
    equation=(
        "xdot = d_k h - Omega_kk kdot - Omega_kx xdot - Omega_kt;  "
        "kdot = -d_x h - eE - e xdot x B + Omega_xk kdot + Omega_xx xdot + Omega_xt"
    ),
    references=("Sundaram1999", "Xiao2010"),
    units={
        (system, d): (1.0, unit) for system, unit in (("NATURAL", "a"), ("EV_ANGSTROM", "angstrom")) for d in (1, 2, 3)
    },
    valid_for="packets narrow in k and wide against the lattice, fields and textures that vary slowly over a packet",
    not_included="transitions to other bands, spreading of the packet, scattering unless `collisions` is given",
    conventions="electron charge -e; k unwrapped; times and fields in the model's units",
    options={
        "packet": (
            "{ position, wavevector, band, amplitudes, width, weight }: one packet, or lists of one entry for each of "
            "many"
        ),
        "ensemble": "instead: { mu, temperature, count, seed, region }, packets of an equilibrium distribution",
        "times": "times at which to save, [0, 10, 20], { start, stop, count } or a range; packets start at the first",
        "electric_field": 'vector, or "file.py:function" of (x, t)',
        "magnetic_field": 'vector in 3D, B_z in 2D, or "file.py:function" of (x, t)',
        "theory": (
            '"adiabatic", "ehrenfest", "manifold", or options: { berry, moment, gradient_energy, second_order } true '
            'or false, { name = "ehrenfest", dressed = true or bands }, { name = "manifold", active = [0, 1] }'
        ),
        "events": "list of { kind = zone_crossing, section, closed_orbit, gap_below or zero_of } with its numbers",
        "collisions": "{ tau or disorder, kind, mu, temperature, table }: random collisions, decided by `seed`",
        "seed": "decides all collisions",
        "estimate_error": "propagate twice, with methods of two orders (default true)",
        "conserving_step": "steps of this length that conserve the energy to rounding; constant, uniform fields",
        "tolerance": "{ rtol = 1e-9 }: error of one step, in lattice constants and their inverse",
    },
    explanation=(
        "A wave packet of one band moves as a classical particle whose position and wave vector are coupled by Berry "
        "curvatures: in k (anomalous velocity), in x, in (k, x) and in time. In a magnetic field its energy gains -m.B "
        "and the density of states becomes D; in a texture the energy gains a gradient term of the same order as the "
        "mixed curvature. Energy drift and adiabaticity are reported. Theories of several bands evolve a state chi of "
        "the packet: of all bands (ehrenfest, i hbar dchi/dt = H chi), or of a group of bands apart from the others "
        "(manifold), with the group's non-Abelian curvatures; populations and the drift of the norm are reported."
    ),
)
