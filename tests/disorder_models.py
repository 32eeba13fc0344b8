"""Models of the tables of disordered responses, in the form of their sources, and their reference numbers.

Parts at the Fermi surface in e^2/hbar with hbar = e = 1: drude, extrinsic velocity, side jump, skew scattering and
third cumulant, as component -> value.
"""

import jax.numpy as jnp
import numpy as np

import blochflow as bf

SX = jnp.array([[0, 1], [1, 0]], dtype=complex)
SY = jnp.array([[0, -1j], [1j, 0]])
SZ = jnp.diag(jnp.array([1.0, -1.0])).astype(complex)
ONE = jnp.eye(2, dtype=complex)
SPIN = {"spin": np.array([SX, SY, SZ])}


def dirac(mass=0.3, speed=1.0, anisotropy=1.0, alpha=0.0, tilt=(0.0, 0.0), cutoff=4.0):
    """v (kx sy - anisotropy ky sx) + M sz + alpha k^2 + tilt.k."""

    def hamiltonian(k, mass=mass, speed=speed, anisotropy=anisotropy, alpha=alpha, tilt=tilt):
        scalar = alpha * (k @ k) + tilt[0] * k[0] + tilt[1] * k[1]
        return speed * (k[0] * SY - anisotropy * k[1] * SX) + mass * SZ + scalar * ONE

    return bf.ContinuumModel(hamiltonian, 2, cutoff=cutoff, operators=SPIN)


def rashba(coupling=0.5, field=0.2):
    """k^2/2 + lambda (ky sx - kx sy) - h sz."""

    def hamiltonian(k, coupling=coupling, field=field):
        return (k @ k) / 2 * ONE + coupling * (k[1] * SX - k[0] * SY) - field * SZ

    return bf.ContinuumModel(hamiltonian, 2, cutoff=6.0, operators=SPIN)


def qwz(mass=1.2, t0=0.5, t1=0.2):
    """sin kx sx + sin ky sy + (m - cos kx - cos ky) sz + t0 (2 - cos kx - cos ky) + t1 sin kx."""

    def hamiltonian(k, mass=mass, t0=t0, t1=t1):
        both = jnp.cos(k[0]) + jnp.cos(k[1])
        return (
            jnp.sin(k[0]) * SX + jnp.sin(k[1]) * SY + (mass - both) * SZ + (t0 * (2 - both) + t1 * jnp.sin(k[0])) * ONE
        )

    return bf.LatticeModel(hamiltonian, np.eye(2))


def three_bands():
    """Spin 1: S1x kx + S1y ky + .4 S1z + Q + .05 k^2 + .15 kx."""
    root = 0.5**0.5
    x = root * jnp.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=complex)
    y = root * jnp.array([[0, -1j, 0], [1j, 0, -1j], [0, 1j, 0]])
    rest = jnp.array([[0.6, 0.05, 0], [0.05, -0.1, 0.08j], [0, -0.08j, -0.25]])
    return bf.ContinuumModel(
        lambda k: x * k[0] + y * k[1] + rest + (0.05 * (k @ k) + 0.15 * k[0]) * jnp.eye(3), 2, cutoff=9.0
    )


def pocket():
    """kx sx + .8 ky sy + (.3 + kz + .25 kz^2) sz + .1 k^2 + .2 kx."""
    return bf.ContinuumModel(
        lambda k: (
            k[0] * SX + 0.8 * k[1] * SY + (0.3 + k[2] + 0.25 * k[2] ** 2) * SZ + (0.1 * (k @ k) + 0.2 * k[0]) * ONE
        ),
        3,
        cutoff=2.2,
    )


def white(strength, **options):
    return bf.Disorder.white(strength, **options)


def decaying(q):
    """W = .1/(1 + |q|)^2, with a kink at q = 0."""
    return 0.1 / (1 + np.linalg.norm(q, axis=-1)) ** 2


def isotropic(drude, ext, skew, third=None):
    """Parts of an isotropic Hall system: side jump equals the extrinsic velocity."""
    rows = {
        "drude": {"xx": drude, "yy": drude},
        "extrinsic_velocity": {"yx": ext, "xy": -ext},
        "side_jump": {"yx": ext, "xy": -ext},
        "skew_scattering": {"yx": skew, "xy": -skew},
    }
    return rows | ({} if third is None else {"third_cumulant": {"yx": third, "xy": -third}})


# name -> model, mu, disorder, density of states or None, parts (nine or ten digits are printed)
TABLE = {
    "D1": (
        dirac,
        1.0,
        lambda: white(0.1, third_cumulant=0.02),
        0.159154943,
        isotropic(2.28080312, 0.0342120468, 0.0367712157, 0.0490282876),
    ),
    "D2": (
        lambda: dirac(0.2, 1.5),
        0.7,
        lambda: white(0.05),
        0.0495148712,
        isotropic(10.5668446, 0.0335455384, 0.0371200629),
    ),
    "G .5": (
        dirac,
        1.0,
        lambda: bf.Disorder.gaussian(0.1, 0.5),
        0.159154943,
        isotropic(2.93424834, 0.0314993115, 0.0335186324),
    ),
    "G 1": (
        dirac,
        1.0,
        lambda: bf.Disorder.gaussian(0.1, 1.0),
        0.159154943,
        isotropic(5.69031636, 0.0245393243, 0.0239476432),
    ),
    "A .1": (
        lambda: dirac(alpha=0.1),
        1.0,
        lambda: white(0.1),
        0.124085375,
        isotropic(3.03579475, 0.0351235301, 0.0424121233),
    ),
    "A .2": (
        lambda: dirac(alpha=0.2, cutoff=3.0),
        1.0,
        lambda: white(0.1),
        0.102498832,
        isotropic(3.74209982, 0.0356622128, 0.0466872473),
    ),
    "A -.1": (
        lambda: dirac(alpha=-0.1),
        1.0,
        lambda: white(0.1),
        0.228497803,
        isotropic(1.4645115, 0.0326285896, 0.0289839521),
    ),
    "V1": (dirac, 1.0, lambda: white(0.1, vertices=[SZ]), 0.159154943, isotropic(0.937417464, 0.0, -0.00207050945)),
    "R1": (rashba, 1.0, lambda: white(0.05), 0.318309886, isotropic(7.95774715, 0.0147365688, -0.0147365688)),
    "R2": (rashba, 0.1, lambda: white(0.05), 0.261043455, isotropic(2.71160582, 0.0347007713, -0.0567730072)),
    "T1": (
        lambda: dirac(anisotropy=0.7, tilt=(0.3, 0.1)),
        1.0,
        lambda: white(0.1, third_cumulant=0.02),
        0.27097917,
        {
            "drude": {"xx": 1.98985438, "xy": 0.0239904485, "yx": 0.0239904485, "yy": 0.947759505},
            "extrinsic_velocity": {"xx": -0.00334745593, "xy": -0.0300600426, "yx": 0.0338649842, "yy": 0.0016402534},
            "side_jump": {"xx": 0.00334745593, "xy": -0.0338649842, "yx": 0.0300600426, "yy": -0.0016402534},
            "skew_scattering": {"xy": -0.0314424612, "yx": 0.0314424612},
            "third_cumulant": {"xy": -0.0432191031, "yx": 0.0432191031},
        },
    ),
    "L1": (
        qwz,
        1.4,
        lambda: white(0.02),
        0.231743682,
        {
            "drude": {"xx": 13.0735437, "yy": 12.7806443},
            "extrinsic_velocity": {"xy": 0.0552085658, "yx": -0.05633542},
            "side_jump": {"xy": 0.05633542, "yx": -0.0552085658},
            "skew_scattering": {"xy": 0.0120760758, "yx": -0.0120760758},
        },
    ),
    "three bands": (
        three_bands,
        1.0,
        lambda: white(0.1),
        1.730757333,
        {
            "drude": {"xx": 0.462912993, "xy": 0.000310377272, "yy": 0.464083237},
            "extrinsic_velocity": {"yx": 0.025298794, "xy": -0.025667976},
            "side_jump": {"yx": 0.025667976},
            "skew_scattering": {"yx": 0.001852579},
        },
    ),
}


def four_orbitals(seed=11):
    """Lattice, orbitals and hoppings of the form of a Wannier model: complex, no symmetry but Hermiticity.

    Four orbitals at three places of an oblique lattice, hoppings that decay with the distance.
    """
    rng = np.random.default_rng(seed)
    lattice = np.array([[1.0, 0.0], [0.4, 1.1]])
    orbitals = np.array([[0.0, 0.0], [0.0, 0.0], [0.35, 0.2], [0.6, 0.7]])
    hoppings = [(energy, i, i, (0, 0)) for i, energy in enumerate((-0.6, 0.5, 0.3, -0.2))]
    for cell in ((0, 0), (1, 0), (0, 1), (1, -1), (1, 1)):
        for i in range(4):
            for j in range(4):
                if cell == (0, 0) and j <= i:
                    continue
                distance = np.linalg.norm((np.array(cell) + orbitals[j] - orbitals[i]) @ lattice)
                size = -0.5 if i == j else 0.4
                turn = np.exp(1j * rng.uniform(-0.5, 0.5)) if i == j else np.exp(2j * np.pi * rng.random())
                hoppings.append((size * turn * np.exp(-1.3 * distance + 1.0), i, j, cell))
    return lattice, orbitals, hoppings


def wannier_like():
    return bf.TightBinding(*four_orbitals())
