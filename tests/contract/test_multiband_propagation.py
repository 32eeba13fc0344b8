"""Theories of several bands: labels, warnings, statuses, and errors that name the argument and the fix."""

from __future__ import annotations

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jnp

QUICK = {"estimate_error": False, "execution": bf.Execution(workers=1, progress=False)}
MODEL = bf.zoo.haldane()
PACKET = bf.WavePacket([0.0, 0.0], [[0.3, 0.5], [0.4, -0.2]], band=[0, 1])
MIXED = bf.WavePacket([0.0, 0.0], [0.3, 0.5], amplitudes=[0.6, 0.8])


def test_labels_and_going_on():
    """A motion cut in two by its amplitudes is the motion as a whole."""
    field = {"electric_field": [0.05, 0.0], "theory": "ehrenfest", **QUICK}
    whole = bf.propagate(MODEL, PACKET, [0.0, 2.0, 4.0], **field)
    assert whole.populations.dims == ("packet", "time", "level") and whole.amplitudes_re.dims[2] == "orbital"
    np.testing.assert_allclose(whole.populations.values[:, 0], [[1, 0], [0, 1]], atol=1e-14)
    np.testing.assert_allclose(whole.populations.sum("level"), 1.0, atol=1e-9)
    assert whole.attrs["norm_drift"] == whole.norm_drift.values.max() < 1e-9
    assert whole.attrs["reference"].split()[0] == "Tu2020" and "chidot" in whole.attrs["equation"]
    half = whole.isel(time=1)
    chi = half.amplitudes_re.values + 1j * half.amplitudes_im.values
    second = bf.propagate(
        MODEL, bf.WavePacket(half.position.values, half.wavevector.values, amplitudes=chi), [2.0, 4.0], **field
    )
    np.testing.assert_allclose(second.position.values[:, -1], whole.position.values[:, -1], atol=1e-8)
    two = bf.WavePacket(PACKET.position, PACKET.wavevector, amplitudes=[[0.6, 0.8], [0.8, 0.6]])
    alone = bf.propagate(MODEL, two, [0.0, 4.0], **field)
    assert set(alone.status.values) == {"COMPLETE"} and "theory" in alone.attrs


@pytest.mark.slow
def test_a_state_that_leaves_its_bands_ends_the_motion():
    """Bands that cross without touching each other's states: the lowest is another one behind the crossing."""
    model = bf.LatticeModel(lambda k: jnp.diag(jnp.array([jnp.sin(k[0]), -jnp.sin(k[0])])).astype(complex), [[1.0]])
    options = {"electric_field": [0.1], "theory": bf.Manifold((0,)), **QUICK}
    with pytest.raises(bf.ConvergenceError, match="packet 0 at t = 5") as caught:
        bf.propagate(model, bf.WavePacket([0.0], [0.5]), [0.0, 8.0], **options)
    assert caught.value.result.status.values[0] in ("NORM", "TOUCHING")
    # all bands together go through
    run = bf.propagate(model, bf.WavePacket([0.0], [0.5]), [0.0, 8.0], **options | {"theory": "ehrenfest"})
    np.testing.assert_allclose(run.populations.values[0, -1], [1.0, 0.0] if run.band[0] else [0.0, 1.0], atol=1e-9)


@pytest.mark.slow
def test_warnings_of_what_a_group_of_bands_cannot_do():
    cone = bf.zoo.massive_dirac(mass=0.05)
    packet = bf.WavePacket([0.0, 0.0], [0.2, 0.0], band=1)
    with pytest.warns(bf.ValidityWarning, match="do not follow adiabatically"):
        bf.propagate(cone, packet, [0.0, 2.0], electric_field=[0.1, 0.0], theory=bf.Manifold((1,)), **QUICK)
    chain = bf.LatticeModel(lambda k: jnp.diag(jnp.array([0.0, 0.5, 1.5 + 0.1 * jnp.cos(k[0])])) + 0j, [[1.0]])
    wall = bf.zoo.domain_wall(mass=0.2, width=20.0)
    start = bf.WavePacket([0.0, 0.0], [0.2, 0.3], band=1)
    with pytest.warns(bf.ValidityWarning, match="correlation of place and state"):
        bf.propagate(wall, start, [0.0, 1.0], theory="ehrenfest", **QUICK)
    with pytest.warns(bf.ValidityWarning, match="splitting reaches 0.455"):
        bf.propagate(chain, bf.WavePacket([0.0], [0.1]), [0.0, 1.0], theory=bf.Manifold((0, 1)), **QUICK)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"theory": "ehrenfst"}, "did you mean 'ehrenfest'"),
        ({"theory": "ehrenfest", "magnetic_field": 0.1}, "`magnetic_field` must be None with a theory of several"),
        ({"theory": "manifold", "magnetic_field": lambda x, t: 0.1}, "`magnetic_field` must be None"),
        ({"theory": bf.Manifold((0, 2))}, "`active` must name bands 0 to 1"),
        ({"theory": bf.Manifold((0,))}, r"`band` must be one of the bands \(0,\) of `active`"),
        ({"theory": "manifold"}, "`active` must be given where packets start in different bands"),
        ({"theory": bf.Manifold((0, 1)), "conserving_step": 0.1}, "`conserving_step` must be left out"),
        ({"theory": bf.Ehrenfest(dressed=(0,))}, r"`band` must be one of the bands \(0,\) of `dressed`"),
        ({"theory": "ehrenfest", "collisions": bf.Collisions(tau=1.0), "seed": 1}, '`theory` must be "adiabatic"'),
        ({"theory": "adiabatic", "amplitudes": [0.6, 0.8]}, "`amplitudes` must be left out with a theory of one"),
        ({"theory": bf.Manifold((0,)), "amplitudes": [0.6, 0.8]}, r"`amplitudes` must lie in the bands \(0,\)"),
        ({"theory": bf.Ehrenfest(dressed=True), "amplitudes": [0.6, 0.8]}, "`dressed` must name the bands"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    given = dict(options)
    packet = bf.WavePacket(PACKET.position, PACKET.wavevector, PACKET.band, amplitudes=given.pop("amplitudes", None))
    with pytest.raises(ValueError, match=message):
        bf.propagate(MODEL, packet, [0.0, 1.0], **given, **QUICK)


def test_wrong_theories_are_named():
    for make, message in (
        (lambda: bf.Ehrenfest(dressed="yes"), "`dressed` must be True, False or distinct bands"),
        (lambda: bf.Ehrenfest(dressed=None), r"`dressed` must be True, False or distinct bands .*, but is None"),
        (lambda: bf.Ehrenfest(dressed=1), "`dressed` must be True, False or distinct bands"),
        (lambda: bf.Ehrenfest(dressed=()), "`dressed` must be True, False or distinct bands"),
        (
            lambda: bf.Ehrenfest(dressed=(0, -1)),
            r"`dressed` must be True, False or .*, but is \(0, -1\)",
        ),
        (lambda: bf.Manifold((0, 0)), "`active` must hold distinct band indices"),
        (lambda: bf.Manifold((0,), gradient_energy=1), "`gradient_energy` must be True or False"),
        (lambda: bf.nonadiabatic.projected(MODEL, PACKET, (0,)), "`packet` must have amplitudes"),
        (lambda: bf.nonadiabatic.projected(MODEL, MIXED, (0, 0)), "`active` must hold distinct band indices"),
        (lambda: bf.nonadiabatic.projected(MODEL, MIXED, None), "`active` must hold distinct .*, but is None"),
        (lambda: bf.nonadiabatic.projected(MODEL, MIXED, (0,), time="noon"), "`time` must be a real number"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


def test_terms_of_theories_beside_them_are_told_where_they_belong():
    for given, message in (
        ({"theory": "manifold", "active": (0, 1)}, r"Write theory=bf\.Manifold\(active=\(0, 1\)\)\."),
        ({"active": [0]}, r"`active`: it is a term of the manifold theory"),
        ({"theory": "ehrenfest", "dressed": True}, r"Write theory=bf\.Ehrenfest\(dressed=True\)"),
        ({"theory": "manifold", "gradient_energy": False}, r"theory=bf\.Manifold\(gradient_energy=False\)"),
        ({"second_order": True}, r"theory=bf\.Adiabatic\(second_order=True\)"),
        ({"electric": [0.1, 0.0]}, "no argument `electric`. Did you mean `electric_field`?"),
    ):
        with pytest.raises(TypeError, match=message):
            bf.propagate(MODEL, PACKET, [0.0, 1.0], **given)


def test_doublets_have_no_packets_of_one_band():
    """Refused before anything moves, with the bands and what to write instead; also within rounding of each other."""

    def doublets(k):
        angle = 0.4 * jnp.sin(k[0])
        turn = jnp.kron(jnp.eye(2), jnp.array([[jnp.cos(angle), -jnp.sin(angle)], [jnp.sin(angle), jnp.cos(angle)]]))
        return turn @ jnp.diag(jnp.array([-1.0, -1.0, 1.0, 1.0]) * (2 + jnp.cos(k[0]))) @ turn.T + 0j

    model = bf.LatticeModel(doublets, [[1.0]])
    packet = bf.WavePacket([0.0], [0.3], band=2)
    wanted = r"bands 2, 3 are .*amplitudes.*theory=bf\.Manifold\(active=\(2, 3\)\)"
    with pytest.raises(bf.DegenerateBandsError, match=wanted):
        bf.propagate(model, packet, [0.0, 1.0], electric_field=[0.1])
    for theory in ("manifold", "ehrenfest"):
        with pytest.raises(bf.DegenerateBandsError, match=r"Say in which state .*amplitudes"):
            bf.propagate(model, packet, [0.0, 1.0], electric_field=[0.1], theory=theory)
    with pytest.raises(bf.DegenerateBandsError, match=r"bands 0, 1 are .*theory=bf\.Manifold\(active=\(0, 1\)\)"):
        bf.ensemble(model, -1.0, 0.1, 16, seed=1)
    # doublets elsewhere do not matter to what stays in a single band
    single = bf.LatticeModel(lambda k: jnp.diag(jnp.cos(k[0]) + jnp.array([-5.0, 1.0, 1.0])) + 0j, [[1.0]])
    assert bf.propagate(single, bf.WavePacket([0.0], [0.3]), [0.0, 1.0], **QUICK).status.item() == "COMPLETE"


def test_groups_that_touch_others_are_refused():
    doublets = bf.LatticeModel(lambda k: jnp.cos(k[0]) * jnp.diag(jnp.array([1.0, 1.0, -1.0, -1.0])) + 0j, [[1.0]])
    packet = bf.WavePacket([0.0], [0.3], amplitudes=[0.0, 0.0, 0.6, 0.8])
    with pytest.raises(bf.DegenerateBandsError, match="group of bands"):
        bf.propagate(doublets, packet, [0.0, 1.0], theory=bf.Manifold((0, 1, 2)), **QUICK)
    with pytest.raises(bf.DegenerateBandsError, match="wave packet of one band"):
        bf.propagate(doublets, bf.WavePacket([0.0], [0.3]), [0.0, 1.0], theory=bf.Manifold((0, 1)), **QUICK)
    # the bands of the amplitudes, with those that touch them, are the group
    run = bf.propagate(doublets, packet, [0.0, 1.0], theory="manifold", **QUICK)
    assert "active=(0, 1)" in run.attrs["theory"]
