"""Metals at T = 0 with closed forms: Dirac cones, free electrons, cosine bands up to their van Hove energies."""

from __future__ import annotations

from functools import partial

import drawn_metals as exact
import numpy as np
import pytest
from band_integrands import MomentSea, UpperBandSea
from honesty import ONE_CORE, RTOLS, Answer, Case, ask_response, log_uniform, run_family, sign

import blochflow as bf
from blochflow.response.average import average_over_zone
from blochflow.response.zone_options import ZoneOptions
from blochflow.zone.tolerance import Required

SHEARS = {2: ([[1, 0], [0, 1]], [[1, 1], [0, 1]], [[1, 0], [-1, 1]], [[2, 1], [1, 1]])}
SHEARS[3] = tuple(np.eye(3, dtype=int) + np.outer(e, f) for e, f in (([0, 0, 0], [0, 0, 0]), ([1, 0, 0], [0, 1, 0])))


def ask_integral(model, bands, mu):
    """Int d^dk of a band-resolved integrand over the domain of a k.p model."""

    def ask(tolerance):
        done = average_over_zone(
            model, bands, np.array([mu]), np.zeros(1), options=ZoneOptions(),
            required=Required(tolerance, tensors=bands.tensors), execution=ONE_CORE,
        )  # fmt: skip
        return Answer(done.value[0], done.error[0], bool(done.converged.all()), done.evaluations)

    return ask


def dirac_level(rng, mass, top):
    """In the gap, within a thousandth of an edge of a band, or in a band; and where."""
    kind = rng.integers(3)
    if kind == 0:
        return rng.uniform(-0.9, 0.9) * mass, "gap"
    if kind == 1:
        return sign(rng) * mass * (1 + 1e-3 * rng.uniform(-1, 1)), "edge"
    return sign(rng) * log_uniform(rng, mass, max(0.8 * top, 1.01 * mass)), "band"


def drawn_dirac(rng):
    velocity, cutoff = log_uniform(rng, 0.3, 3), log_uniform(rng, 0.5, 5)
    mass = log_uniform(rng, 1e-4, 1) * velocity * cutoff
    top = float(np.hypot(mass, velocity * cutoff))
    mu, where = dirac_level(rng, mass, top)
    turn = sign(rng)
    model = bf.zoo.massive_dirac(velocity=velocity, mass=turn * mass, cutoff=cutoff)
    return model, turn, mass, mu, top, f"mass {mass:.3e} v {velocity:.3g} cutoff {cutoff:.3g} mu {mu:.6e} ({where})"


def dirac_hall(rng):
    model, turn, mass, mu, top, label = drawn_dirac(rng)
    sigma = -turn * mass / (4 * np.pi) * (1 / max(abs(mu), mass) - 1 / top)
    truth = sigma * np.array([[0, 1], [-1, 0]])
    return [Case(label, ask_response(bf.response.anomalous_hall, model, mu), truth)]


def dirac_moment(rng):
    """Int f m = -turn pi mass [ln(top/mass) in the lower band, + ln(mu/mass) in the upper]."""
    model, turn, mass, mu, top, label = drawn_dirac(rng)
    mu = abs(mu)
    logarithm = np.log(top / mass) + np.log(max(mu, mass) / mass)
    return [Case(label, ask_integral(model, MomentSea(1), mu), np.array([-turn * np.pi * mass * logarithm]))]


def dirac_pockets(rng):
    """Tilted anisotropic cones: ellipses that end between a thousandth and nine tenths of the way to the cutoff."""
    cutoff, turn = 1.0, rng.uniform(0, 2 * np.pi)
    velocity = np.array([1.0, log_uniform(rng, 0.4, 2.5)])
    steep = rng.uniform(0, 0.7)
    tilt = velocity * steep * np.array([np.cos(turn), np.sin(turn)])
    # in q = v k the bottom lies at distance steep mass/sqrt(1 - steep^2) from 0, the far end of the ellipse at reach
    reach = log_uniform(rng, 1e-3, 0.9) * cutoff * velocity.min()
    mass = log_uniform(rng, 1e-4, 1) * min(1.0, reach * np.sqrt(1 - steep**2) / steep)
    mu = float(np.hypot(reach, mass) - steep * reach)
    area = exact.dirac_pocket(velocity, tilt, mass, mu)
    model = bf.zoo.massive_dirac(velocity=1.0, anisotropy=velocity[1], mass=mass, tilt=tilt, cutoff=cutoff)
    label = f"mass {mass:.3e} v {velocity} tilt {tilt} mu {mu:.6e}"
    return [Case(label, ask_integral(model, UpperBandSea(), mu), np.array([area]))]


def three_numbers(label, model, mu, n, dos, drude):
    """Density, density of states and Drude weight of one model."""
    scale = float(np.abs(drude).max())
    return [
        Case(f"density {label}", ask_response(bf.response.electron_density, model, mu), np.array(n)),
        Case(f"states {label}", ask_response(bf.response.density_of_states, model, mu), np.array(dos)),
        Case(f"drude {label}", ask_response(bf.response.ohmic, model, mu, tau=1.0), drude, scale),
    ]


def free_electrons(rng, dimension):
    """k.M^-1.k/2 with any mass tensor, inside the cutoff."""
    q, _ = np.linalg.qr(rng.normal(size=(dimension, dimension)))
    masses = np.array([log_uniform(rng, 0.4, 2.5) for _ in range(dimension)])
    mass = (q * masses) @ q.T
    mass = (mass + mass.T) / 2
    mu = log_uniform(rng, 1e-2, 0.8) * 16 / (2 * masses.max())
    model = bf.zoo.parabolic(mass=mass if dimension > 1 else float(mass.item()), dimension=dimension, cutoff=4.0)
    return three_numbers(f"masses {masses} mu {mu:.6g}", model, mu, *exact.parabola(mass, mu))


def cosine_band(rng, dimension):
    """-2 sum_a t_a cos(k_a l_a), described by one of several primitive cells; a third of the levels near van Hove."""
    t, sides = rng.uniform(0.3, 1.2, dimension), rng.uniform(0.7, 1.5, dimension)
    saddle = np.array([sign(rng) for _ in range(dimension)])
    near = 2 * float(saddle @ t) + sign(rng) * log_uniform(rng, 1e-6, 1e-1)
    mu = near if rng.random() < 1 / 3 else rng.uniform(-1.9, 1.9) * t.sum()
    mu = float(np.clip(mu, -1.98 * t.sum(), 1.98 * t.sum()))
    shear = np.array(SHEARS[dimension][rng.integers(len(SHEARS[dimension]))])
    reduced = np.rint(np.eye(dimension) @ np.linalg.inv(shear)).astype(int)
    cells = np.concatenate([np.zeros((1, dimension), dtype=int), reduced, -reduced])
    hoppings = -np.concatenate([[0.0], t, t])[:, None, None] + 0j
    model = bf.TightBinding.from_blocks(shear @ np.diag(sides), np.zeros((1, dimension)), cells, hoppings)
    found = exact.cubic_lattice(mu, t) if dimension == 3 else exact.square_lattice(np.array([mu]), *t)[:, 0]
    found = found / sides.prod()
    drude = np.diag(found[2:] * sides**2)
    return three_numbers(f"t {t} sides {sides} shear {shear.tolist()} mu {mu:.8g}", model, mu, *found[:2], drude)


def named(function, dimension):
    """A family for one dimension, with a name of its own."""
    family = partial(function, dimension=dimension)
    family.__name__ = f"{function.__name__}_{dimension}d"
    return family


MANY = {
    dirac_hall: 150,
    dirac_moment: 100,
    dirac_pockets: 100,
    named(free_electrons, 1): 100,
    named(free_electrons, 2): 100,
    named(free_electrons, 3): 100,
    named(cosine_band, 2): 100,
    named(cosine_band, 3): 100,
}
IDS = [family.__name__ for family in MANY]


@pytest.mark.parametrize("rtol", RTOLS)
@pytest.mark.parametrize("family", MANY, ids=IDS)
def test_no_false_claim(family, rtol):
    # three dimensions cost seconds a model at the smallest tolerance
    run_family(family, 5 if "dirac" in family.__name__ else 1 if "3d" in family.__name__ else 2, rtol).check()


@pytest.mark.slow
@pytest.mark.parametrize("rtol", RTOLS)
@pytest.mark.parametrize("family", MANY, ids=IDS)
def test_no_false_claim_in_hundreds(family, rtol):
    run_family(family, MANY[family], rtol).check()
