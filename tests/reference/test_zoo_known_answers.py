"""Known answers stated in the docstrings of the zoo, from closed forms and small sums written here in NumPy.

Only H(k) and its gradient come from the package; states, curvature, Chern numbers and spreads are computed below.
"""

from __future__ import annotations

from itertools import product

import equinox as eqx
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ellipk

import blochflow as bf

# Sums of a few terms of order one: rounding only.
EXACT = 1e-12
# Numbers printed with 9 to 12 digits.
PRINTED = 2e-9
GRID = 24
PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
ONE = np.eye(2)
HONEYCOMB = np.array([[1.0, 0.0], [0.5, np.sqrt(3) / 2]])
GENERIC_K = np.array([[0.3, -0.71, 0.45], [1.1, 0.37, -0.9], [-2.3, 1.7, 0.2], [0.6, 2.9, -1.4]])


@eqx.filter_jit
def compiled_matrices(model, k):
    matrices = model.matrices(k)
    return matrices.hamiltonian, matrices.gradient


def matrices(model, k):
    """H (K, n, n) and its gradient (K, a, n, n) at k (K, d), as NumPy arrays."""
    h, dh = compiled_matrices(model, np.ascontiguousarray(np.atleast_2d(np.asarray(k, dtype=float))))
    return np.asarray(h), np.asarray(dh)


def geometry(model, k):
    """Energies (K, n), tensor Q = g - i Omega/2 (K, a, b, n), moment-like sum (K, a, b, n) by the pair sums."""
    h, dh = matrices(model, k)
    e, u = np.linalg.eigh(h)
    v = u.conj().swapaxes(-1, -2)[:, None] @ dh @ u[:, None]
    gap = e[:, :, None] - e[:, None, :]
    inverse = np.divide(1.0, gap, out=np.zeros_like(gap), where=np.abs(gap) > 1e-9)
    q = np.einsum("kanm,kbmn,knm->kabn", v, v, inverse**2)
    moment = np.einsum("kanm,kbmn,knm->kabn", v, v, inverse**2 * -gap).imag
    return e, q, moment


def curvature(model, k):
    """Omega_xy of each band, (K, n)."""
    return -2 * geometry(model, k)[1][:, 0, 1].imag


def reduced_grid(n, d):
    points = (np.arange(n) + 0.5) / n
    return np.stack(np.meshgrid(*[points] * d, indexing="ij"), axis=-1).reshape(-1, d)


def chern_of_states(u):
    """Chern number of the span of u (n, n, N, m) on a periodic grid: Fukui, Hatsugai, Suzuki, JPSJ 74, 1674 (2005)."""

    def link(a, b):
        return np.linalg.det(a.conj().swapaxes(-1, -2) @ b)

    x, y = np.roll(u, -1, axis=0), np.roll(u, -1, axis=1)
    xy = np.roll(x, -1, axis=1)
    loop = link(u, x) * link(x, xy) * link(xy, y) * link(y, u)
    return -np.angle(loop).sum() / (2 * np.pi)


def grid_hamiltonian(model, kz=None):
    """H in the periodic gauge on the (GRID, GRID) zone of the first two reciprocal vectors."""
    frac = reduced_grid(GRID, 2)
    if kz is not None:
        frac = np.concatenate([frac, np.full((len(frac), 1), kz / (2 * np.pi))], axis=1)
    k = np.asarray(model.lattice.to_cartesian_k(frac))
    h = matrices(model, k)[0]
    site = np.exp(1j * k @ np.asarray(model.orbitals).T)
    return (site[:, :, None] * h * site.conj()[:, None, :]).reshape(GRID, GRID, *h.shape[1:])


def chern(model, band=0, block=slice(None), kz=None):
    h = grid_hamiltonian(model, kz)[..., block, block]
    return chern_of_states(np.linalg.eigh(h)[1][..., [band]])


def valley(model, name):
    return np.asarray(model.lattice.to_cartesian_k([1 / 3, 2 / 3] if name == "K" else [2 / 3, 1 / 3]))


# --- energies in closed form, at generic parameters ------------------------------------------------------------------


def pair(mean, half):
    return np.stack([mean - half, mean + half], axis=-1)


def twice(energies):
    return np.repeat(energies, 2, axis=-1)


def bond_sum(k):
    a, b = HONEYCOMB.sum(axis=0) / 3, 2 * HONEYCOMB.sum(axis=0) / 3
    return sum(np.exp(1j * k @ (b - a + n @ HONEYCOMB)) for n in np.array([[0, 0], [-1, 0], [0, -1]]))


def second_sums(k):
    r = np.array([[1, 0], [1, -1], [0, 1]]) @ HONEYCOMB
    return np.cos(k @ r.T).sum(axis=1), np.sin(k @ r.T) @ np.array([1, -1, -1])


def haldane_energies(k, t, t2, phase, mass):
    c, s = second_sums(k)
    return pair(
        2 * t2 * np.cos(phase) * c, np.sqrt(abs(t * bond_sum(k)) ** 2 + (mass + 2 * t2 * np.sin(phase) * s) ** 2)
    )


def graphene_energies(k, t, t2, mass):
    f2 = abs(bond_sum(k)) ** 2
    return pair(t2 * (f2 - 3), np.sqrt(mass**2 + t**2 * f2))


def kane_mele_energies(k, t, spin_orbit, rashba, mass):
    """Without Rashba coupling: two Haldane copies."""
    copies = [haldane_energies(k, t, spin_orbit, sign * np.pi / 2, mass) for sign in (1, -1)]
    return np.sort(np.concatenate(copies, axis=1), axis=1)


def qwz_half(k, mass, t, velocity):
    x, y = k[:, 0], k[:, 1]
    return np.sqrt(velocity**2 * (np.sin(x) ** 2 + np.sin(y) ** 2) + (mass + t * (np.cos(x) + np.cos(y))) ** 2)


def c2(k):
    return 2 - np.cos(k[:, 0]) - np.cos(k[:, 1])


def spin_one_energies(k, mass, t, velocity, asymmetry):
    half, mean = qwz_half(k, mass, t, velocity), asymmetry * c2(k)
    return np.stack([mean - half, mean, mean + half], axis=-1)


def bhz_energies(k, mass, quadratic, velocity, asymmetry):
    m = mass - 2 * quadratic * c2(k)
    half = np.sqrt(velocity**2 * (np.sin(k[:, 0]) ** 2 + np.sin(k[:, 1]) ** 2) + m**2)
    return twice(pair(-2 * asymmetry * c2(k), half))


def weyl_lattice_energies(k, node, t, mass, velocity, splitting):
    dz = t * (np.cos(k[:, 2]) - np.cos(node)) - mass * c2(k)
    half = np.sqrt(velocity**2 * (np.sin(k[:, 0]) ** 2 + np.sin(k[:, 1]) ** 2) + dz**2)
    return pair(splitting * np.sin(k[:, 2]), half)


def dirac_energies(k, velocity, mass, tilt, anisotropy, quadratic, asymmetry):
    k2 = (k**2).sum(axis=1)
    half = np.sqrt(velocity**2 * (k[:, 0] ** 2 + (anisotropy * k[:, 1]) ** 2) + (mass - quadratic * k2) ** 2)
    return pair(k @ np.array(tilt) + asymmetry * k2, half)


def rashba_energies(k, mass, rashba, exchange, m):
    field = rashba * np.stack([k[:, 1], -k[:, 0], 0 * k[:, 0]], axis=1) - exchange * np.array(m)
    return pair((k**2).sum(axis=1) / (2 * mass), np.linalg.norm(field, axis=1))


def surface_energies(k, velocity, m, warping, tilt, asymmetry):
    warped = warping * (k[:, 0] ** 3 - 3 * k[:, 0] * k[:, 1] ** 2)
    field = np.array(m) + np.stack([-velocity * k[:, 1], velocity * k[:, 0], warped], axis=1)
    return pair(k @ np.array(tilt) + asymmetry * (k**2).sum(axis=1), np.linalg.norm(field, axis=1))


def luttinger_energies(k, gamma1, gamma2, gamma3, mass):
    k2, (x, y, z) = (k**2).sum(axis=1), (k**2).T
    root = np.sqrt(gamma2**2 * k2**2 + 3 * (gamma3**2 - gamma2**2) * (x * y + y * z + z * x))
    return twice(pair(-gamma1 * k2 / (2 * mass), root / mass))


def cubic_energies(k, t, t2, anisotropy):
    x, y, z = np.cos(k).T
    return (-2 * t * (x + y + anisotropy * z) - 4 * t2 * (x * y + y * z + z * x))[:, None]


def square_energies(k, t, t2, anisotropy):
    x, y = np.cos(k).T
    return (-2 * t * (x + anisotropy * y) - 4 * t2 * x * y)[:, None]


def chain_half(k, a, b, mass=0.0):
    return np.sqrt(mass**2 + a**2 + b**2 + 2 * a * b * np.cos(k[:, 0]))


def four_band_energies(k, velocity, mass, quadratic, asymmetry):
    k2 = (k**2).sum(axis=1)
    return twice(pair(asymmetry * k2, np.sqrt(velocity**2 * k2 + (mass - quadratic * k2) ** 2)))


MASS_TENSOR = [[1.0, 0.2, 0.0], [0.2, 2.0, 0.1], [0.0, 0.1, 0.5]]
ENERGIES = {
    "ssh": ({"t_intra": 0.7, "t_inter": -1.3}, lambda k, t_intra, t_inter: pair(0, chain_half(k, t_intra, t_inter))),
    "rice_mele": (
        {"t_intra": 0.7, "t_inter": 1.3, "mass": 0.4},
        lambda k, t_intra, t_inter, mass: pair(0, chain_half(k, t_intra, t_inter, mass)),
    ),
    "square": ({"t": 1.3, "t2": 0.35, "anisotropy": 0.6}, square_energies),
    "cubic": ({"t": 1.3, "t2": 0.35, "anisotropy": 0.6}, cubic_energies),
    "graphene": ({"t": -1.2, "t2": 0.13, "mass": 0.3}, graphene_energies),
    "haldane": ({"t": -1.2, "t2": 0.15, "phase": 0.8, "mass": 0.4}, haldane_energies),
    "kane_mele": ({"t": -1.2, "spin_orbit": 0.06, "rashba": 0.0, "mass": 0.2}, kane_mele_energies),
    "qwz": (
        {"mass": -1.1, "t": 0.9, "velocity": 1.2, "asymmetry": 0.3},
        lambda k, mass, t, velocity, asymmetry: pair(asymmetry * c2(k), qwz_half(k, mass, t, velocity)),
    ),
    "spin_one": ({"mass": -1.1, "t": 0.9, "velocity": 1.2, "asymmetry": 0.3}, spin_one_energies),
    "bhz": ({"mass": -0.8, "quadratic": -1.1, "velocity": 0.9, "asymmetry": 0.2}, bhz_energies),
    "weyl_lattice": (
        {"node": 0.9, "t": 1.1, "mass": 1.2, "velocity": 0.8, "splitting": 0.3},
        weyl_lattice_energies,
    ),
    "parabolic": (
        {"mass": MASS_TENSOR},
        lambda k, mass: np.einsum("ka,ab,kb->k", k, np.linalg.inv(mass), k)[:, None] / 2,
    ),
    "massive_dirac": (
        {"velocity": 1.3, "mass": 0.4, "tilt": (0.2, -0.1), "anisotropy": 0.7, "quadratic": 0.3, "asymmetry": 0.1},
        dirac_energies,
    ),
    "rashba_ferromagnet": ({"mass": 1.2, "rashba": 0.6, "exchange": 0.3, "m": (0.3, -0.4, 0.8)}, rashba_energies),
    "topological_surface": (
        {"velocity": 1.2, "m": (0.3, -0.4, 0.8), "warping": 0.25, "tilt": (0.1, -0.2), "asymmetry": 0.15},
        surface_energies,
    ),
    "weyl_node": (
        {"chirality": -1, "velocity": 1.2, "tilt": (0.2, -0.3, 0.5)},
        lambda k, chirality, velocity, tilt: pair(k @ np.array(tilt), velocity * np.linalg.norm(k, axis=1)),
    ),
    "four_band_dirac": ({"velocity": 1.2, "mass": 0.4, "quadratic": 0.3, "asymmetry": 0.1}, four_band_energies),
    "luttinger": ({"gamma1": 6.98, "gamma2": 2.06, "gamma3": 2.93, "mass": 0.8}, luttinger_energies),
}
EXTRA = {"parabolic": {"dimension": 3}}


def build(name):
    return getattr(bf.zoo, name)(**ENERGIES[name][0], **EXTRA.get(name, {}))


@pytest.mark.parametrize("name", sorted(ENERGIES))
def test_energies_in_closed_form(name):
    model = build(name)
    k = GENERIC_K[:, : model.dimension]
    expected = ENERGIES[name][1](k, **ENERGIES[name][0])
    # the largest energies are about 60 (luttinger)
    assert np.abs(np.linalg.eigvalsh(matrices(model, k)[0]) - expected).max() < 1e-13 * max(10, abs(expected).max())


def test_every_model_has_its_energies_checked():
    assert set(ENERGIES) == set(bf.zoo.names())


# --- symmetries ------------------------------------------------------------------------------------------------------


def rotation(angle, d):
    r = np.eye(d)
    r[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return r


def spin_rotation(angle, m):
    return np.diag(np.exp(-1j * angle * np.array(m)))


KM = {"spin_orbit": 0.06, "mass": 0.1, "rashba": 0.05}
SPIN_T = 1j * PAULI[1]
LUTTINGER_T = np.fliplr(np.diag([1.0, -1.0, 1.0, -1.0]))
MINUS = -1.0
# name, parameters, unitary, map of k (matrix or -1), complex conjugation, sign:  U H(g k)^(*) U^+ = sign H(k)
SYMMETRIES = {
    "ssh T": ("ssh", {}, ONE, MINUS, True, 1),
    "ssh P": ("ssh", {}, PAULI[0], MINUS, False, 1),
    "ssh chiral": ("ssh", {}, PAULI[2], 1.0, False, -1),
    "rice_mele T": ("rice_mele", {}, ONE, MINUS, True, 1),
    "rice_mele P bond": ("rice_mele", {"mass": 0.0}, PAULI[0], MINUS, False, 1),
    "rice_mele P site": ("rice_mele", {"t_intra": 0.9, "t_inter": 0.9}, ONE, MINUS, False, 1),
    "square C4": ("square", {"t2": 0.3}, np.eye(1), rotation(np.pi / 2, 2), False, 1),
    "cubic C4": ("cubic", {"t2": 0.3, "anisotropy": 0.7}, np.eye(1), rotation(np.pi / 2, 3), False, 1),
    "graphene T": ("graphene", {"t2": 0.1}, ONE, MINUS, True, 1),
    "graphene C3": ("graphene", {"t2": 0.1}, ONE, rotation(2 * np.pi / 3, 2), False, 1),
    "graphene P": ("graphene", {"t2": 0.1, "mass": 0.0}, PAULI[0], MINUS, False, 1),
    "graphene C6": ("graphene", {"t2": 0.1, "mass": 0.0}, PAULI[0], rotation(np.pi / 3, 2), False, 1),
    "graphene chiral": ("graphene", {"mass": 0.0}, PAULI[2], 1.0, False, -1),
    "haldane C3": ("haldane", {"phase": 0.7}, ONE, rotation(2 * np.pi / 3, 2), False, 1),
    "haldane P": ("haldane", {"phase": 0.7, "mass": 0.0}, PAULI[0], MINUS, False, 1),
    "haldane T": ("haldane", {"phase": 0.0}, ONE, MINUS, True, 1),
    "kane_mele T": ("kane_mele", KM, np.kron(ONE, SPIN_T), MINUS, True, 1),
    "kane_mele C3": (
        "kane_mele",
        KM,
        np.kron(ONE, spin_rotation(-2 * np.pi / 3, [0.5, -0.5])),
        rotation(2 * np.pi / 3, 2),
        False,
        1,
    ),
    "kane_mele P": ("kane_mele", {"mass": 0.0, "rashba": 0.0}, np.kron(PAULI[0], ONE), MINUS, False, 1),
    "kane_mele s_z": ("kane_mele", {"rashba": 0.0}, np.kron(ONE, PAULI[2]), 1.0, False, 1),
    "qwz P": ("qwz", {"asymmetry": 0.3}, PAULI[2], MINUS, False, 1),
    "qwz C4": ("qwz", {"asymmetry": 0.3}, spin_rotation(-np.pi / 2, [0.5, -0.5]), rotation(np.pi / 2, 2), False, 1),
    "qwz particle-hole": ("qwz", {}, PAULI[0], MINUS, True, -1),
    "spin_one P": ("spin_one", {"asymmetry": 0.3}, spin_rotation(-np.pi, [1, 0, -1]), MINUS, False, 1),
    "spin_one C4": (
        "spin_one",
        {"asymmetry": 0.3},
        spin_rotation(-np.pi / 2, [1, 0, -1]),
        rotation(np.pi / 2, 2),
        False,
        1,
    ),
    "bhz T": ("bhz", {"asymmetry": 0.2}, np.kron(SPIN_T, ONE), MINUS, True, 1),
    "bhz P": ("bhz", {"asymmetry": 0.2}, np.kron(ONE, PAULI[2]), MINUS, False, 1),
    "weyl_lattice P": ("weyl_lattice", {}, PAULI[2], MINUS, False, 1),
    "weyl_lattice C4": (
        "weyl_lattice",
        {"splitting": 0.2},
        spin_rotation(-np.pi / 2, [0.5, -0.5]),
        rotation(np.pi / 2, 3),
        False,
        1,
    ),
    "weyl_node T": ("weyl_node", {}, SPIN_T, MINUS, True, 1),
    "massive_dirac C": (
        "massive_dirac",
        {"quadratic": 0.2},
        spin_rotation(-0.4, [0.5, -0.5]),
        rotation(0.4, 2),
        False,
        1,
    ),
    "massive_dirac particle-hole": ("massive_dirac", {"quadratic": 0.2}, PAULI[0], MINUS, True, -1),
    "rashba_ferromagnet C": (
        "rashba_ferromagnet",
        {},
        spin_rotation(-0.4, [0.5, -0.5]),
        rotation(0.4, 2),
        False,
        1,
    ),
    "topological_surface C": (
        "topological_surface",
        {"asymmetry": 0.2},
        spin_rotation(-0.4, [0.5, -0.5]),
        rotation(0.4, 2),
        False,
        1,
    ),
    "topological_surface C3": (
        "topological_surface",
        {"asymmetry": 0.2, "warping": 0.3},
        spin_rotation(-2 * np.pi / 3, [0.5, -0.5]),
        rotation(2 * np.pi / 3, 2),
        False,
        1,
    ),
    "topological_surface mirror": (
        "topological_surface",
        {"m": (0.4, 0.0, 0.0), "warping": 0.3, "tilt": (0.0, 0.2)},
        PAULI[0],
        np.diag([-1.0, 1.0]),
        False,
        1,
    ),
    "topological_surface T": (
        "topological_surface",
        {"m": (0.0, 0.0, 0.0), "warping": 0.3, "asymmetry": 0.2},
        SPIN_T,
        MINUS,
        True,
        1,
    ),
    "rashba T without exchange": ("rashba_ferromagnet", {"exchange": 0.0}, SPIN_T, MINUS, True, 1),
    "four_band_dirac T": ("four_band_dirac", {"quadratic": 0.2}, np.kron(ONE, SPIN_T), MINUS, True, 1),
    "four_band_dirac P": ("four_band_dirac", {"quadratic": 0.2}, np.kron(PAULI[2], ONE), MINUS, False, 1),
    "luttinger T": ("luttinger", {}, LUTTINGER_T, MINUS, True, 1),
    "luttinger P": ("luttinger", {}, np.eye(4), MINUS, False, 1),
}


@pytest.mark.parametrize("case", sorted(SYMMETRIES))
def test_symmetry(case):
    name, parameters, unitary, action, conjugated, sign = SYMMETRIES[case]
    model = getattr(bf.zoo, name)().replace(**parameters)
    k = GENERIC_K[:, : model.dimension]
    image = k @ action.T if isinstance(action, np.ndarray) else action * k
    there = matrices(model, image)[0]
    there = unitary @ (there.conj() if conjugated else there) @ unitary.conj().T
    here = matrices(model, k)[0]
    assert np.abs(there - sign * here).max() < 1e-13 * max(10, abs(here).max())


@pytest.mark.parametrize(
    ("case", "broken"),
    [
        ("haldane P", {"mass": 0.2}),
        ("haldane T", {"phase": 0.7}),
        ("kane_mele P", {"rashba": 0.05}),
        ("kane_mele s_z", {"rashba": 0.05}),
        ("qwz particle-hole", {"asymmetry": 0.3}),
        ("weyl_lattice P", {"splitting": 0.2}),
        ("rashba T without exchange", {"exchange": 0.2}),
        ("topological_surface T", {"m": (0.0, 0.1, 0.0)}),
        ("topological_surface T", {"tilt": (0.1, 0.0)}),
        ("topological_surface C3", {"tilt": (0.1, 0.0)}),
        ("topological_surface mirror", {"m": (0.4, 0.1, 0.0)}),
    ],
)
def test_symmetry_is_broken_where_the_docstring_says_so(case, broken):
    name, parameters, unitary, action, conjugated, sign = SYMMETRIES[case]
    model = getattr(bf.zoo, name)().replace(**{**parameters, **broken})
    k = GENERIC_K[:, : model.dimension]
    image = k @ action.T if isinstance(action, np.ndarray) else action * k
    there = matrices(model, image)[0]
    there = unitary @ (there.conj() if conjugated else there) @ unitary.conj().T
    # the terms that break the symmetry are at least 0.05
    assert np.abs(there - sign * matrices(model, k)[0]).max() > 0.01


# --- Chern numbers (sums of plaquette phases are integers up to rounding) --------------------------------------------


@pytest.mark.parametrize(
    ("t2", "phase", "mass"), [(0.15, np.pi / 2, 0.2), (0.15, -1.0, 0.3), (0.1, 0.9, 0.9), (-0.2, 1.2, -0.4)]
)
def test_haldane_chern_number(t2, phase, mass):
    model = bf.zoo.haldane(t2=t2, phase=phase, mass=mass)
    threshold = 3 * np.sqrt(3) * t2 * np.sin(phase)
    expected = (np.sign(mass - threshold) - np.sign(mass + threshold)) / 2
    assert abs(chern(model) - expected) < 1e-9
    for name, sign in (("K", 1), ("K'", -1)):
        e = np.linalg.eigvalsh(matrices(model, valley(model, name[:1] if sign > 0 else name))[0])[0]
        assert abs(e[1] - e[0] - 2 * abs(mass + sign * threshold)) < EXACT


@pytest.mark.parametrize(("mass", "expected"), [(-1.2, 1), (1.2, -1), (2.6, 0), (-2.6, 0)])
@pytest.mark.parametrize("velocity", [1.0, -0.8])
def test_qwz_and_spin_one_chern_numbers(mass, expected, velocity):
    assert abs(chern(bf.zoo.qwz(mass=mass, velocity=velocity)) - expected) < 1e-9
    three = bf.zoo.spin_one(mass=mass, velocity=velocity)
    for band, factor in enumerate((2, 0, -2)):
        assert abs(chern(three, band) - factor * expected) < 1e-9


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, 1), (5.0, -1), (9.0, 0), (-1.0, 0)])
@pytest.mark.parametrize("quadratic", [-1.0, 0.7])
def test_bhz_spin_chern_number(ratio, expected, quadratic):
    model = bf.zoo.bhz(mass=ratio * quadratic, quadratic=quadratic)
    expected = expected * np.sign(quadratic)
    assert abs(chern(model, block=slice(0, 2)) - expected) < 1e-9
    assert abs(chern(model, block=slice(2, 4)) + expected) < 1e-9


@pytest.mark.parametrize(("mass", "expected"), [(0.1, 1), (0.4, 0)])
def test_kane_mele_spin_chern_number(mass, expected):
    model = bf.zoo.kane_mele(rashba=0.0, mass=mass)  # threshold 3 sqrt(3) 0.06 = 0.3118
    assert abs(chern(model, block=slice(0, 4, 2)) + expected) < 1e-9
    assert abs(chern(model, block=slice(1, 4, 2)) - expected) < 1e-9
    e = np.linalg.eigvalsh(matrices(model, valley(model, "K"))[0])[0]
    assert abs(e[2] - e[1] - 2 * abs(mass - 3 * np.sqrt(3) * 0.06)) < EXACT


def test_graphene_chern_number_vanishes():
    assert abs(chern(bf.zoo.graphene(mass=0.3))) < 1e-9


@pytest.mark.parametrize(("kz", "expected"), [(0.0, 1), (0.7, 1), (-0.7, 1), (1.3, 0), (-1.3, 0), (3.0, 0)])
def test_weyl_lattice_chern_number_of_planes(kz, expected):
    assert abs(chern(bf.zoo.weyl_lattice(node=1.0), kz=kz) - expected) < 1e-9


def test_rice_mele_pump():
    model, phases = bf.zoo.rice_mele(), 2 * np.pi * np.arange(GRID) / GRID
    k = 2 * np.pi * np.arange(GRID)[:, None] / GRID
    site = np.exp(1j * k @ np.asarray(model.orbitals).T)
    columns = []
    for phase in phases:
        at = model.replace(t_intra=1 + 0.4 * np.cos(phase), t_inter=1 - 0.4 * np.cos(phase), mass=0.5 * np.sin(phase))
        states = np.linalg.eigh(matrices(at, k)[0])[1][..., :1]
        columns.append(site[:, :, None] * states)
    assert abs(chern_of_states(np.stack(columns, axis=1)) + 1) < 1e-9


# --- curvature, moments, metrics -------------------------------------------------------------------------------------


def test_haldane_and_qwz_rows():
    model, k = bf.zoo.haldane(), np.array([[0.3, 0.5]] * 4)
    e, q, _ = geometry(model, k)
    assert abs(e[0, 1] - 2.922958412411) < PRINTED
    assert abs(-2 * q[0, 0, 1, 0].imag + 8.152647455618e-05) < 1e-15  # 13 digits printed
    e, q, moment = geometry(bf.zoo.qwz(asymmetry=0.3), np.array([[0.4, 0.7]] * 4))
    # 8 digits printed
    assert np.abs(e[0] - [-0.80174248, 0.99020057]).max() < 1e-8
    assert abs(-2 * q[0, 0, 1, 0].imag - 0.58431581) < 1e-8
    assert np.abs(moment[0, 0, 1] + 0.52353032).max() < 1e-8


def test_gapped_graphene_valleys():
    model = bf.zoo.graphene(mass=0.1)
    for name, sign in (("K", 1), ("K'", -1)):
        e, q, moment = geometry(model, valley(model, name))
        assert abs(e[0, 1] - e[0, 0] - 0.2) < EXACT
        # energies 0.1 from differences of terms of order 1: 1e-14 relative 1e-13
        assert abs(-2 * q[0, 0, 1, 0].imag + sign * 37.5) < 1e-9
        assert np.abs(moment[0, 0, 1] - sign * 3.75).max() < 1e-10
    bare = bf.zoo.graphene(t=-1.4, mass=0.0)
    _, dh = matrices(bare, valley(bare, "K"))
    assert np.abs(abs(dh[0, :, 0, 1]) - np.sqrt(3) / 2 * 1.4).max() < EXACT


def test_massive_dirac_row_and_closed_forms():
    model = bf.zoo.massive_dirac(velocity=1.3, mass=0.4)
    e, q, moment = geometry(model, np.array([[0.5, -0.3]]))
    assert abs(-2 * q[0, 0, 1, 1].imag + 0.536834371449071) < EXACT
    assert np.abs(moment[0, 0, 1] + 0.460114347944460).max() < EXACT
    assert abs(np.trace(q[0, :, :, 0]).real - 0.700412291844395) < EXACT
    # moment of both bands = half the gap times the curvature of the upper band
    assert abs(moment[0, 0, 1, 0] - e[0, 1] * -2 * q[0, 0, 1, 1].imag) < EXACT


@pytest.mark.parametrize(("mass", "quadratic"), [(0.3, 0.5), (0.3, -0.5), (-0.3, -0.5)])
def test_massive_dirac_with_quadratic_term_has_integer_chern_number(mass, quadratic):
    model = bf.zoo.massive_dirac(mass=mass, quadratic=quadratic)
    nodes, weights = np.polynomial.legendre.leggauss(256)
    x, w = (nodes + 1) / 2, weights / 2
    k = x / (1 - x)  # the whole plane
    omega = curvature(model, np.stack([k, 0 * k], axis=1))[:, 0]
    total = np.sum(w * k * omega / (1 - x) ** 2)
    # the integrand decays as k^-5: Gauss-Legendre with 256 points reaches 1e-8
    assert abs(total - (np.sign(mass) + np.sign(quadratic)) / 2) < 1e-6


def test_topological_surface_is_a_massive_dirac_cone_that_in_plane_fields_shift():
    velocity, (mx, my, mass) = 1.3, (0.2, -0.5, 0.4)
    model = bf.zoo.topological_surface(velocity=velocity, m=(mx, my, mass))
    k = GENERIC_K[:, :2]
    eps = np.sqrt(velocity**2 * (k**2).sum(axis=1) + mass**2)
    center = np.array([-my, mx]) / velocity
    expected = velocity**2 * mass / (2 * eps**3)
    assert np.abs(geometry(model, k + center)[0] - pair(0, eps)).max() < EXACT
    assert np.abs(curvature(model, k + center) - np.stack([expected, -expected], axis=1)).max() < EXACT


def test_current_of_the_topological_surface_is_its_spin():
    """V_x = v s_y, V_y = -v s_x, wherever warping and tilt vanish."""
    model = bf.zoo.topological_surface(velocity=1.3)
    gradient, spin = matrices(model, GENERIC_K[:, :2])[1], np.asarray(model.operator("spin"))
    assert np.abs(gradient - 1.3 * np.stack([spin[1], -spin[0]])).max() < EXACT


def test_rashba_ferromagnet_curvature_and_hall_conductivity():
    model = bf.zoo.rashba_ferromagnet()
    nodes, weights = np.polynomial.legendre.leggauss(256)

    def filled(upper, band):
        k = upper * (nodes + 1) / 2
        omega = curvature(model, np.stack([k, 0 * k], axis=1))[:, band]
        eps = np.sqrt(0.25 * k**2 + 0.04)
        assert np.abs(omega - (1 if band else -1) * 0.25 * 0.2 / (2 * eps**3)).max() < EXACT
        return upper / 2 * np.sum(weights * k * omega) / (2 * np.pi)

    # k^2/2 -/+ sqrt(0.25 k^2 + 0.04) = 1
    roots = np.sqrt(np.array([2.5 + 2 * np.sqrt(0.6025), 2.5 - 2 * np.sqrt(0.6025)]))
    sigma = -(filled(roots[0], 0) + filled(roots[1], 1))
    assert abs(sigma - 0.0147365688) < 1e-10  # printed digits
    e = np.sqrt(0.25 * roots**2 + 0.04)
    assert abs(sigma - 0.2 / (4 * np.pi) * (1 / e[1] - 1 / e[0])) < EXACT


@pytest.mark.parametrize("chirality", [1, -1])
def test_weyl_node_is_a_monopole(chirality):
    model = bf.zoo.weyl_node(chirality=chirality, velocity=1.3)
    _, q, moment = geometry(model, GENERIC_K)
    size = np.linalg.norm(GENERIC_K, axis=1)
    for axis, (a, b) in enumerate(((1, 2), (2, 0), (0, 1))):
        unit = GENERIC_K[:, axis] / size
        assert np.abs(-2 * q[:, a, b, 1].imag + chirality * unit / (2 * size**2)).max() < EXACT
        assert np.abs(-2 * q[:, a, b, 0].imag - chirality * unit / (2 * size**2)).max() < EXACT
        assert np.abs(moment[:, a, b] + (chirality * 1.3 * unit / (2 * size))[:, None]).max() < EXACT


@pytest.mark.parametrize(("sign", "chirality"), [(1, -1), (-1, 1)])
def test_weyl_lattice_nodes(sign, chirality):
    model = bf.zoo.weyl_lattice(node=0.9, splitting=0.2)
    h, dh = matrices(model, [[0.0, 0.0, sign * 0.9]])
    assert np.abs(np.linalg.eigvalsh(h[0]) - sign * 0.2 * np.sin(0.9)).max() < EXACT
    slopes = np.einsum("aij,bji->ab", dh[0], PAULI).real / 2
    assert abs(np.linalg.det(slopes) - chirality * np.sin(0.9)) < EXACT


def test_spin_one_curvature_and_metric():
    parameters = {"mass": -1.1, "t": 0.9, "velocity": 1.2, "asymmetry": 0.3}
    k = GENERIC_K[:, :2]
    _, q, _ = geometry(bf.zoo.spin_one(**parameters), k)
    two = curvature(bf.zoo.qwz(**parameters), k)
    assert np.abs(-2 * q[:, 0, 1].imag - two[:, 1:] * 2 * np.array([-1, 0, 1])).max() < EXACT
    assert np.abs(q[:, :, :, 1].real - 2 * q[:, :, :, 0].real).max() < EXACT


def pair_curvature(model, k, group):
    """Non-abelian curvature of a group of bands (a, b, n, m) and its metric sum (a, b), at one k."""
    h, dh = matrices(model, k)
    e, u = np.linalg.eigh(h[0])
    v = u.conj().T @ dh[0] @ u
    rest = [n for n in range(len(e)) if n not in group]
    d = np.array([[[v[a][m, n] / (e[n] - e[m]) for n in group] for m in rest] for a in range(len(v))])
    product_ = np.einsum("amn,bmp->abnp", d.conj(), d)
    return 1j * (product_ - product_.swapaxes(0, 1)), np.einsum("abnn->ab", product_).real


def test_four_band_dirac_non_abelian_curvature_and_metric():
    model = bf.zoo.four_band_dirac(velocity=1.3, mass=0.4)
    f, _ = pair_curvature(model, [[0.0, 0.0, 0.0]], [0, 1])
    for a, b in ((0, 1), (1, 2), (2, 0)):
        assert np.abs(np.linalg.eigvalsh(f[a, b]) - np.array([-1, 1]) * 1.3**2 / (2 * 0.4**2)).max() < EXACT * 10
    k = GENERIC_K[0]
    f, metric = pair_curvature(model, [k], [0, 1])
    assert np.abs(np.einsum("abnn->ab", f)).max() < EXACT
    eps2 = 1.3**2 * k @ k + 0.4**2
    assert np.abs(metric - 1.3**2 / (2 * eps2) * (np.eye(3) - 1.3**2 * np.outer(k, k) / eps2)).max() < EXACT


@pytest.mark.parametrize("group", [[0, 1], [2, 3]])
def test_luttinger_monopole(group):
    model = bf.zoo.luttinger(gamma2=2.4, gamma3=2.4)
    f, _ = pair_curvature(model, [[0.0, 0.0, 0.7]], group)
    assert np.abs(np.linalg.eigvalsh(f[0, 1]) - np.array([-1.5, 1.5]) / 0.49).max() < EXACT * 10


def test_luttinger_hole_masses():
    model = bf.zoo.luttinger()
    for direction, expected in (([1, 0, 0], (0.34965, 0.09009)), ([1, 1, 1], (0.89286, 0.07788))):
        e = np.linalg.eigvalsh(matrices(model, [np.array(direction) / np.linalg.norm(direction)])[0])[0]
        # printed digits
        assert np.abs(-1 / (2 * e[[3, 0]]) - expected).max() < 5e-6


# --- sums over the zone ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("t_intra", "t_inter", "spacing", "expected"),
    [(1.0, 0.6, 0.0, 0.0703125), (0.6, 1.0, 0.0, 0.3203125), (1.0, 0.6, 0.5, 0.1328125), (0.6, 1.0, 0.5, 0.1328125)],
)
def test_ssh_wannier_spread(t_intra, t_inter, spacing, expected):
    model = bf.zoo.ssh(t_intra=t_intra, t_inter=t_inter, spacing=spacing)
    k = 2 * np.pi * reduced_grid(96, 1)
    # analytic integrand: the uniform grid converges as r^(2 * 96)
    assert abs(geometry(model, k)[1][:, 0, 0, 0].real.mean() - expected) < EXACT


@pytest.mark.parametrize(("t_intra", "t_inter", "winding"), [(1.0, 0.6, 0), (0.6, 1.0, -1)])
def test_ssh_winding(t_intra, t_inter, winding):
    k = 2 * np.pi * reduced_grid(96, 1)
    element = matrices(bf.zoo.ssh(t_intra=t_intra, t_inter=t_inter, spacing=0.0), k)[0][:, 0, 1]
    turns = np.angle(np.roll(element, -1) / element).sum() / (2 * np.pi)
    assert abs(turns - winding) < EXACT


def test_qwz_wannier_spread():
    k = 2 * np.pi * reduced_grid(96, 2)
    # analytic integrand, 96 points per axis: converged to rounding
    assert abs(np.einsum("kaa->k", geometry(bf.zoo.qwz(), k)[1][..., 0].real).mean() - 0.211280096005231) < 1e-11


@pytest.mark.parametrize(("parameters", "expected"), [({"rashba": 0.0, "mass": 0.0}, -1.0), ({}, -1.02179238)])
def test_kane_mele_spin_hall_conductivity(parameters, expected):
    model = bf.zoo.kane_mele(**parameters)
    h, dh = matrices(model, np.asarray(model.lattice.to_cartesian_k(reduced_grid(96, 2))))
    spin = np.kron(ONE, PAULI[2]) / 2
    e, u = np.linalg.eigh(h)
    ud = u.conj().swapaxes(-1, -2)
    current = ud @ ((spin @ dh[:, 0] + dh[:, 0] @ spin) / 2) @ u
    velocity = ud @ dh[:, 1] @ u
    pairs = np.einsum(
        "knm,kmn,knm->k", current[:, :2, 2:], velocity[:, 2:, :2], (e[:, :2, None] - e[:, None, 2:]) ** -2.0
    )
    average = -2 * pairs.imag.mean() * (2 * np.pi) ** 2 / (np.sqrt(3) / 2) / (2 * np.pi) ** 2
    # smallest gap 0.4 on a zone with 96 points per axis: 1e-9; the literal has 9 digits
    assert abs(2 * np.pi * average - expected) < 2e-8


@pytest.mark.parametrize(
    ("energy", "area", "mass"), [(-3.0, 3.361566634476, 0.574377973380), (-1.0, 12.17168597547, 0.891651589987)]
)
def test_square_orbits(energy, area, mass):
    model = bf.zoo.square()
    edge = np.arccos(-energy / 2 - 1)

    def height(kx):
        return np.arccos(-energy / 2 - np.cos(kx))

    assert abs(4 * quad(height, 0, edge, epsabs=1e-12, epsrel=1e-12, limit=400)[0] - area) < 1e-8  # root singularity
    assert abs(ellipk(1 - (energy / 4) ** 2) / np.pi - mass) < 1e-11  # printed digits
    kx = np.linspace(0, 0.99 * edge, 8)
    on_orbit = np.stack([kx, height(kx)], axis=1)
    assert np.abs(matrices(model, on_orbit)[0].ravel() - energy).max() < EXACT


def test_cubic_neck_is_an_orbit_of_the_square_lattice():
    k = GENERIC_K.copy()
    k[:, 2] = np.pi
    flat = matrices(bf.zoo.square(), k[:, :2])[0]
    assert np.abs(matrices(bf.zoo.cubic(), k)[0] - flat - 2).max() < EXACT
    assert abs(3.361566634476 / (2 * np.pi) - 0.535009946410) < 1e-12


def test_band_edges():
    for name, corner, extent in (("square", np.pi, 4.0), ("cubic", np.pi, 6.0)):
        model = getattr(bf.zoo, name)()
        ends = np.array(list(product((0.0, corner), repeat=model.dimension)))[[0, -1]]
        assert np.abs(matrices(model, ends)[0].ravel() - [-extent, extent]).max() < EXACT


def test_parabolic_inverse_mass_and_cyclotron_mass():
    tensor = np.array([[1.0, 0.2], [0.2, 2.0]])
    model = bf.zoo.parabolic(mass=tensor)
    hessian = np.asarray(model.hessian(GENERIC_K[:, :2]))[..., 0, 0]
    assert np.abs(hessian - np.linalg.inv(tensor)).max() < EXACT
    assert abs(np.linalg.det(hessian[0].real) ** -0.5 - np.sqrt(np.linalg.det(tensor))) < EXACT
