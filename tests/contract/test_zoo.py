"""The zoo as a package: lazy, listed, immutable, differentiable in every parameter."""

from __future__ import annotations

import inspect
import subprocess
import sys

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jax, jnp

K = [0.31, -0.57, 0.83]
NAMES = [
    "bhz",
    "cubic",
    "four_band_dirac",
    "graphene",
    "haldane",
    "kane_mele",
    "luttinger",
    "massive_dirac",
    "parabolic",
    "qwz",
    "rashba_ferromagnet",
    "rice_mele",
    "spin_one",
    "square",
    "ssh",
    "topological_surface",
    "weyl_lattice",
    "weyl_node",
]


def test_names_and_summaries():
    assert sorted(bf.zoo.names()) == NAMES
    for name in NAMES:
        assert bf.zoo.summary(name).endswith(".")
        assert getattr(bf.zoo, name)().name == name
    assert set(NAMES) < set(dir(bf.zoo))


def test_unknown_name_names_the_nearest():
    with pytest.raises(AttributeError, match="Did you mean 'haldane'"):
        _ = bf.zoo.haldan
    with pytest.raises(AttributeError, match="Did you mean 'kane_mele'"):
        bf.zoo.summary("kanemele")
    with pytest.raises(AttributeError, match="The models are ssh, rice_mele"):
        _ = bf.zoo.xyzzy


def test_listing_imports_no_model():
    code = (
        "import sys, blochflow.models.zoo as zoo; zoo.names(); dir(zoo); "
        "sys.exit(int(any(m in sys.modules for m in ('jax', 'scipy', 'xarray', 'blochflow.models.zoo._haldane'))))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_importing_a_module_does_not_hide_the_function():
    import blochflow.models.zoo._haldane as module

    assert bf.zoo.haldane is module.haldane


@pytest.mark.parametrize("name", NAMES)
def test_derivative_in_every_parameter(name):
    """d tr(W H)/d(parameter) by jax.grad equals a central difference, for a fixed Hermitian weight W."""
    model = getattr(bf.zoo, name)()
    rng = np.random.default_rng(5)
    raw = rng.normal(size=(model.num_bands,) * 2) + 1j * rng.normal(size=(model.num_bands,) * 2)
    weight = jnp.asarray(raw + raw.conj().T)
    k = jnp.asarray(K[: model.dimension])

    @jax.jit
    def probe(parameters):
        return jnp.trace(weight @ model.replace(**parameters).hamiltonian(k)).real

    exact = jax.jit(jax.grad(probe))(model.parameters)
    for key, value in model.parameters.items():
        for index in np.ndindex(value.shape):
            step = np.zeros(value.shape)
            step[index] = 1e-5
            ends = [probe({**model.parameters, key: value + s * step}) for s in (1, -1)]
            # central difference: h^2 ~ 1e-10 times third derivatives, rounding 1e-16 * 50/1e-5
            assert abs(float(exact[key][index]) - float(ends[0] - ends[1]) / 2e-5) < 2e-8, (key, index)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_matters_and_models_are_frozen(name):
    model = getattr(bf.zoo, name)()
    before = np.asarray(model.hamiltonian(K[: model.dimension]))
    for key, value in model.parameters.items():
        changed = model.replace(**{key: np.asarray(value) + 0.173 * (np.ndim(value) < 2)})
        assert np.abs(np.asarray(changed.hamiltonian(K[: model.dimension])) - before).max() > 1e-6, key
        with pytest.raises(ValueError, match="have shape|have at most"):
            model.replace(**{key: np.ones((2, 5))})
    assert np.array_equal(np.asarray(model.hamiltonian(K[: model.dimension])), before)
    with pytest.raises(AttributeError):
        model.name = "other"


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_keywords_of_the_constructor(name):
    function = getattr(bf.zoo, name)
    model = function()
    copy = function(**{key: np.asarray(value).tolist() for key, value in model.parameters.items()})
    k = K[: model.dimension]
    assert np.array_equal(np.asarray(copy.hamiltonian(k)), np.asarray(model.hamiltonian(k)))


@pytest.mark.parametrize("name", NAMES)
def test_a_parameter_of_the_wrong_kind_is_named(name):
    function = getattr(bf.zoo, name)
    scalars = [p.name for p in inspect.signature(function).parameters.values() if type(p.default) in (int, float)]
    assert scalars or name == "parabolic"
    for parameter in scalars:
        for value in ([1.0, 2.0], 1j, "a"):
            with pytest.raises(ValueError, match=f"Argument `{parameter}` must "):
                function(**{parameter: value})


def test_operators():
    """Spin operators are Pauli matrices: they square to one and anticommute (2 J/3 of the Luttinger model apart)."""
    for name in (
        "kane_mele",
        "bhz",
        "rashba_ferromagnet",
        "topological_surface",
        "weyl_node",
        "weyl_lattice",
        "four_band_dirac",
    ):
        spin = np.asarray(getattr(bf.zoo, name)().operator("spin"))
        one = np.eye(spin.shape[-1])
        for a in range(3):
            for b in range(3):
                assert np.array_equal(spin[a] @ spin[b] + spin[b] @ spin[a], 2 * one * (a == b))
        assert np.allclose(spin[0] @ spin[1], 1j * spin[2], atol=0)
    for name in ("ssh", "rice_mele", "graphene", "haldane", "kane_mele"):
        assert np.array_equal(
            np.asarray(getattr(bf.zoo, name)().operator("sublattice")) ** 2, np.eye(2 + 2 * (name == "kane_mele"))
        )
    for name, key, spin in (("luttinger", "angular_momentum", 1.5), ("spin_one", "pseudospin", 1.0)):
        j = np.asarray(getattr(bf.zoo, name)().operator(key))
        # matrix elements such as sqrt(3)/2: rounding
        assert np.abs(j[0] @ j[1] - j[1] @ j[0] - 1j * j[2]).max() < 1e-15
        assert np.abs(np.einsum("aij,ajk->ik", j, j) - spin * (spin + 1) * np.eye(len(j[0]))).max() < 2e-15


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("weyl_node", {"chirality": 2}, "Argument `chirality` must be 1 or -1, but is 2"),
        ("weyl_node", {"tilt": (0.1, 0.2)}, "Argument `tilt` must be a vector of 3 components"),
        ("massive_dirac", {"tilt": 0.1}, "Argument `tilt` must be a vector of 2 components"),
        ("massive_dirac", {"cutoff": -1.0}, "Argument `cutoff` must be greater than 0"),
        ("massive_dirac", {"mass": float("nan")}, "Argument `mass` must be finite"),
        ("topological_surface", {"m": 0.3}, "Argument `m` must be a vector of 3 components"),
        ("rashba_ferromagnet", {"m": (0.0, 1.0)}, "Argument `m` must be a vector of 3 components"),
        ("parabolic", {"dimension": 4}, "Argument `dimension` must be 1, 2 or 3"),
        ("parabolic", {"mass": [[1.0]]}, "Argument `mass` must be a number or a \\(2, 2\\) tensor"),
        ("parabolic", {"mass": [[1.0, 0.1], [0.0, 1.0]]}, "Argument `mass` must be a symmetric tensor"),
        ("parabolic", {"mass": 0.0}, "Argument `mass` must be invertible"),
        ("graphene", {"spin_degeneracy": 3}, "Argument `spin_degeneracy` must be 1 or 2"),
        ("haldane", {"phase": "pi"}, "Argument `phase` must be a real number"),
    ],
)
def test_wrong_arguments(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        getattr(bf.zoo, name)(**arguments)
