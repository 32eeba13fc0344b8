"""Components of responses allowed by symmetry: every expectation from the symmetries that the model was built with."""

import numpy as np
import pytest

import blochflow as bf
from blochflow.core.backend import jnp
from blochflow.models.operators import PAULI
from blochflow.response.symmetry_allowed import SPIN_3D, WHOLE, components_of
from blochflow.zone.tensor_symmetry import HALL, OHMIC

HALL_LIKE = ("anomalous_hall", "anomalous_nernst", "anomalous_thermal_hall", "orbital_magnetization")
OHMIC_LIKE = ("ohmic", "thermoelectric")
PT = "inversion with time reversal (P*T)"
ALPHA = np.stack([np.kron(PAULI[0], s) for s in PAULI])
BETA = np.kron(PAULI[2], np.eye(2))


def table_of(name, **parameters):
    return bf.response.symmetry_table(getattr(bf.zoo, name)(**parameters))


def allowed(row):
    return {c for c, ok in zip(row.components, row.allowed, strict=True) if ok}


def test_haldane():
    table = table_of("haldane")
    # no time reversal; C3 and mirrors with time reversal keep M_z = M_xy: one constant
    for name in HALL_LIKE:
        assert allowed(table[name]) == {"xy"} and table[name].constants == 1
        assert table[name].reason == ("",) and table[name].forbidden_by == ((),)
        assert len(table[name].operations) == 6
    # C3 makes a symmetric tensor isotropic, xx = yy and xy = 0; already a mirror y -> -y forbids xy
    for name in OHMIC_LIKE:
        assert allowed(table[name]) == {"xx", "yy"} and table[name].constants == 1
        assert "rotation by 120 degrees" in table[name].forbidden_by[table[name].components.index("xy")]
    # the dipole is a vector in the plane (derivative of Omega_xy): C3 leaves none
    assert allowed(table["berry_curvature_dipole"]) == set()
    assert "rotation by" in table["berry_curvature_dipole"].why("x,xy")
    assert "assumed" in table["spin_hall"].note


def test_inversion_breaking_does_not_allow_a_hall_effect():
    table = table_of("graphene", mass=0.1)
    for name in HALL_LIKE:
        # the staggered energy breaks P, so T alone is what forbids; the vertical mirrors also do
        assert table[name].why("xy") == "time reversal"
        assert any("reflection" in other for other in table[name].forbidden_by[0])
        assert PT not in table[name].forbidden_by[0] and "inversion" not in table[name].forbidden_by[0]
    # without the mass P holds, and with it P*T
    assert table_of("graphene", mass=0.0)["anomalous_hall"].why("xy") == f"time reversal; {PT}"
    # strain along the bond in x leaves T and the mirror y -> -y, under which Omega_xy and d_y are odd: d_y Omega_xy
    # remains (valleys of opposite curvature, shifted), d_x Omega_xy does not
    strained = bf.TightBinding(
        [[np.sqrt(3) / 2, 0.5], [np.sqrt(3) / 2, -0.5]],
        [[1 / 3, 1 / 3], [2 / 3, 2 / 3]],
        [(-0.3, 0, 0, (0, 0)), (0.3, 1, 1, (0, 0)), (-1.0, 0, 1, (0, 0)), (-0.7, 1, 0, (1, 0)), (-0.7, 1, 0, (0, 1))],
    )
    dipole = bf.response.symmetry_table(strained)["berry_curvature_dipole"]
    assert allowed(dipole) == {"y,xy"} and dipole.constants == 1
    assert dipole.why("x,xy").startswith("reflection with normal (0, 1)")


def test_kane_mele():
    table = table_of("kane_mele")
    assert table["anomalous_hall"].why("xy") == "time reversal"
    # s_z is an axial scalar of the plane: a mirror changes the sign of sigma^z_xx and keeps sigma^z_xy; C3 makes the
    # latter antisymmetric: one constant
    spin = table["spin_hall"]
    assert allowed(spin) == {"z,xy", "z,yx"} and spin.constants == 1
    assert spin.why("z,xx").startswith("reflection")
    assert spin.note == "spin: the model's operator, verified"
    # T reverses both spin and velocity: it forbids nothing
    assert all("time reversal" not in names for names in spin.forbidden_by)


def test_qwz():
    table = table_of("qwz")
    # C4 with mirrors times T: magnetic group 4m'm'
    assert allowed(table["anomalous_hall"]) == {"xy"} and len(table["anomalous_hall"].operations) == 8
    # (-1)^3 under inversion
    assert table["berry_curvature_dipole"].reason == ("inversion", "inversion")


def test_cubic():
    table = table_of("cubic")
    for name in HALL_LIKE:
        assert table[name].reason == (f"time reversal; {PT}",) * 3
    # m-3m: sigma = number times identity
    assert allowed(table["ohmic"]) == {"xx", "yy", "zz"} and table["ohmic"].constants == 1
    # Levi-Civita, the only isotropic tensor of rank three: axial, even under T
    assert allowed(table["spin_hall"]) == {"x,yz", "x,zy", "y,xz", "y,zx", "z,xy", "z,yx"}
    assert table["spin_hall"].constants == 1
    # D_4h: zz by itself
    assert table_of("cubic", anisotropy=0.5)["ohmic"].constants == 2


def test_p_times_t():
    # T and P separately, so both T and P*T forbid the Hall effect
    assert table_of("four_band_dirac")["anomalous_hall"].reason == (f"time reversal; {PT}",) * 3

    # energies that are odd in k: T and P are broken, P*T = tau_z i s_y K (even in k, real coefficient) is not
    def antiferromagnet(k, tilt=0.4):
        matrix = jnp.einsum("a,aij->ij", jnp.sin(k), ALPHA) + (0.7 + (2 - jnp.cos(k)).sum()) * BETA
        return matrix + tilt * (jnp.sin(k[0]) + 0.5 * jnp.sin(k[1]) + 0.3 * jnp.sin(k[2])) * jnp.eye(4)

    model = bf.LatticeModel(
        antiferromagnet, np.eye(3), operators={"spin": np.stack([np.kron(np.eye(2), s) for s in PAULI])}
    )
    table = bf.response.symmetry_table(model)
    for name in HALL_LIKE:
        assert table[name].reason == (PT,) * 3
        assert all(names[0] == PT for names in table[name].forbidden_by)
    # spin is even, velocity even under P*T: nothing is forbidden by it
    assert allowed(table["spin_hall"]) >= {"z,xy", "x,yz"}
    assert all(PT not in names for names in table["spin_hall"].forbidden_by)
    # odd rank: one sign from P, none from T
    assert set(table["berry_curvature_dipole"].reason) == {PT}
    # the metric survives what forbids the curvature, where neither P nor T is a symmetry
    assert PT not in table["quantum_metric_dipole"].reason


def test_magnetization_along_z():
    table = table_of("weyl_lattice")
    for name in HALL_LIKE:
        # M along z: M_x = M_yz and M_y = M_zx are turned into their opposites by a half turn or a horizontal mirror
        assert allowed(table[name]) == {"xy"}
        assert "rotation by 180 degrees about (0, 0, 1)" in table[name].forbidden_by[0]
    # 4/mm'm': xx = yy and zz
    assert allowed(table["ohmic"]) == {"xx", "yy", "zz"} and table["ohmic"].constants == 2
    assert table["berry_curvature_dipole"].why("z,xy") == "inversion"
    # splitting sin kz breaks P
    assert "inversion" not in table_of("weyl_lattice", splitting=0.3)["berry_curvature_dipole"].why("z,xy").split("; ")


def test_magnetization_in_the_plane():
    # along z: C6 and mirrors times T keep M_z
    assert allowed(table_of("rashba_ferromagnet")["anomalous_hall"]) == {"xy"}
    # along x: the mirror x -> -x keeps the axial M_x and reverses M_z; so does the half turn about z times T
    row = table_of("rashba_ferromagnet", m=(1.0, 0.0, 0.0))["anomalous_hall"]
    assert row.why("xy") == PT
    assert "reflection with normal (1, 0)" in row.forbidden_by[0]
    assert len(row.operations) == 4
    # the mirror alone, when it is all that one allows
    model = bf.zoo.rashba_ferromagnet(m=(1.0, 0.0, 0.0))
    row = bf.response.symmetry_table(model, symmetry=[[[-1, 0], [0, 1]]])["anomalous_hall"]
    assert row.why("xy") == "reflection with normal (1, 0)" and len(row.operations) == 2


def test_without_symmetry_nothing_is_forbidden():
    table = bf.response.symmetry_table(bf.zoo.haldane(), symmetry=False)
    for row in table.rows:
        assert all(row.allowed) and set(row.reason) == {""} and len(row.operations) == 1
    with pytest.warns(bf.SymmetryWarning):
        assert allowed(bf.response.symmetry_table(bf.zoo.haldane(), symmetry=["time_reversal"])["anomalous_hall"]) == {
            "xy"
        }


def test_threshold():
    # one bond weaker by 1e-4 breaks C3 by about as much, relative to the largest integrand
    hoppings = [(-0.2, 0, 0, (0, 0)), (0.2, 1, 1, (0, 0)), (-1.0, 0, 1, (0, 0)), (-1.0, 1, 0, (1, 0))]
    hoppings.append((-1.0 + 1e-4, 1, 0, (0, 1)))
    model = bf.TightBinding([[1.0, 0.0], [0.5, np.sqrt(3) / 2]], [[1 / 3, 1 / 3], [2 / 3, 2 / 3]], hoppings)
    assert "rotation by 120 degrees" not in [str(g) for g in bf.response.symmetry_table(model)["ohmic"].operations]
    row = bf.response.symmetry_table(model, threshold=1e-2)["ohmic"]
    assert "rotation by 120 degrees" in [str(g) for g in row.operations] and not row.is_allowed("xy")


def test_spin_rotation():
    row = bf.response.symmetry_table(bf.zoo.graphene(spin_degeneracy=2))["spin_hall"]
    assert not any(row.allowed) and "spin rotation" in row.why("z,xy") and row.constants == 0


def test_one_dimension_has_no_hall_rows():
    table = table_of("ssh")
    assert [row.quantity for row in table.rows] == [*OHMIC_LIKE, "quantum_metric_dipole"]
    # the chain has time reversal and inversion
    assert not table["quantum_metric_dipole"].is_allowed("x,xx")
    assert table["ohmic"].components == ("xx",) and table["ohmic"].is_allowed("xx")
    with pytest.raises(KeyError, match="it has ohmic"):
        table["anomalous_hall"]
    with pytest.raises(ValueError, match="`component` must be one of xx"):
        table["ohmic"].why("xy")


def test_given_states():
    model = bf.zoo.haldane()
    assert allowed(bf.response.symmetry_table(model, mu=-1.0, temperature=0.1)["anomalous_hall"]) == {"xy"}
    assert allowed(bf.response.symmetry_table(model, mu=[-1.0, 1.0], temperature=0.0)["ohmic"]) == {"xx", "yy"}
    with pytest.raises(ValueError, match="`temperature` must come with"):
        bf.response.symmetry_table(model, mu=0.0)
    with pytest.raises(ValueError, match="`symmetry`"):
        bf.response.symmetry_table(model, symmetry="all")


def test_text_and_dataset(tmp_path):
    table = table_of("weyl_lattice")
    text = str(table)
    assert text.splitlines()[0] == "Responses of weyl_lattice that its symmetries allow"
    for row in table.rows:
        assert row.quantity in text
    found = table.to_dataset()
    assert int(found.allowed.sum()) == sum(sum(row.allowed) for row in table.rows)
    entry = found.where((found.quantity == "anomalous_hall") & (found.component == "yz"), drop=True)
    assert str(entry.reason.values[0]) == table["anomalous_hall"].why("yz")
    bf.save(found, tmp_path / "table.nc")
    assert bf.open(tmp_path / "table.nc").equals(found)


def test_zone_averages_obey_the_table():
    # layers of a Chern insulator, magnetized along z and gapped: 4/mm'm'; the mesh has a generic shift, so that no
    # operation maps its points to one another
    def function(k, coupling=0.5):
        mass = 1.2 - jnp.cos(k[0]) - jnp.cos(k[1]) - coupling * jnp.cos(k[2])
        return jnp.sin(k[0]) * PAULI[0] + jnp.sin(k[1]) * PAULI[1] + mass * PAULI[2]

    model, size = bf.LatticeModel(function, np.eye(3)), 20
    axis = np.arange(size) / size
    mesh = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    k_frac = mesh + np.array([0.018, 0.011, 0.023])
    bands = bf.bands(model, 2 * np.pi * k_frac)
    energies, velocity = np.asarray(bands.energies), np.asarray(bands.velocity)
    f = 0.5 * (1 - np.tanh((energies + 0.4) / (2 * 0.3)))
    v = np.diagonal(velocity, axis1=-2, axis2=-1).real
    curvature = np.asarray(bf.geometry.berry_curvature(bands))
    hall = np.einsum("kn,kabn->ab", f, curvature) / len(f)
    ohmic = np.einsum("kn,kan,kbn->ab", f * (1 - f) / 0.3, v, v) / len(f)
    table = bf.response.symmetry_table(model)
    for tensor, row in ((hall, table["anomalous_hall"]), (ohmic, table["ohmic"])):
        for component, ok in zip(row.components, row.allowed, strict=True):
            value = abs(tensor["xyz".index(component[0]), "xyz".index(component[1])])
            # gaps of 0.6 and more, k_B T = 0.3: 20 points per axis leave some exp(-20 * 0.5) of the integrand
            assert (value > 5e-3) if ok else (value < 2e-4), (component, value)


@pytest.mark.parametrize(
    ("kind", "dimension", "labels"),
    [
        (HALL, 1, ()),
        (HALL, 2, ("xy",)),
        (HALL, 3, ("yz", "zx", "xy")),
        (OHMIC, 2, ("xx", "xy", "yy")),
    ],
)
def test_components(kind, dimension, labels):
    assert components_of(kind, dimension)[1] == labels
    assert len(components_of(SPIN_3D, 3)[1]) == 27
    assert WHOLE == "the group as a whole"
