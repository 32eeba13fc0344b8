"""Starter jobs for `blochflow init`: complete, commented, and valid as they stand."""

from __future__ import annotations

from blochflow.cli.quantities import all_quantities, arguments_of, describe_arguments
from blochflow.response.catalog_disorder import DISORDERED
from blochflow.response.catalog_intrinsic import INTRINSIC
from blochflow.response.catalog_nonlinear import NONLINEAR

HEAD = """\
# {title}.  Run with:  blochflow run job.toml -o {name}.nc
# Check first with:    blochflow check job.toml

[model]
{zoo:<34} # or wannier90 = "seed_tb.dat", or python = "file.py:function" (returns a model)
{parameters:<34} # blochflow models {model}

[[task]]
quantity = "{name}"
name = "{name}"
"""
TAIL = """
[execution]
# workers = 2                      # threads; default: all cores
# max_memory = "4 GiB"
progress = true
"""
EXAMPLES = {
    "mu": '"-1.0:1.0:5"',
    "temperature": "[0.05, 0.1]",
    "density": "[0.5, 1.0]",
    "path": '"G-K-M-K\'-G"',
    "points": "200",
    "color": '"sublattice"',
    "grid": "96",
    "shift": "0.0",
    "rule": '"auto"',
    "symmetry": '"auto"',
    "seed": "0",
    "threshold": "1e-6",
    "tau": "10.0",
    "reference": '"seed_band.dat"',
    "intrinsic": "true",
    "part": '"total"',
    "spin": '"spin_z"',
    "partition": '{ K = [[0, 0], [1, 1], [0, 1]], "K\'" = [[0, 0], [1, 0], [1, 1]] }',
    "mu_gradient": "[0.0, 0.01]",
    "temperature_gradient": "[0.0, 0.01]",
    "p": "1",
    "q": "20",
    "width": "40",
    "direction": "0",
    "disorder": '{ kind = "white", strength = 0.1 }',
    "operator": '"sublattice"',
    "magnetization": '"m"',
    "crossed": "false",
    "frequency": "0.05",
    "frequencies": "[0.05, -0.05]",
    "relaxation": '"bare"',
    "metric": '"band_normalised"',
    "order": "2",
    "electric_field": "[[0.05, 0.0], [0.1, 0.0], [0.2, 0.0]]",
    "theory": '"multiband"',
    "groups": "[[0, 1]]",
    "group_tolerance": "1e-6",
    "active": "[0, 1]",
    "x": "[0.0, 0.0]",
    "t": "0.0",
    "cell": "[[60.0, 0.0], [0.0, 60.0]]",
    "tolerance": "{ rtol = 1e-3 }",
}
MOTION_EXAMPLES = {
    "packet": "{ position = [0.0, 0.0], wavevector = [[0.3, 0.0], [0.8, 0.0]], band = 0 }",
    "ensemble": "{ mu = -1.0, temperature = 0.1, count = 256, seed = 1 }",
    "times": "{ start = 0.0, stop = 60.0, count = 121 }",
    "electric_field": "[0.0, 0.05]",
    "magnetic_field": "0.01",
    "theory": "{ second_order = true }",
    "events": '[{ kind = "zone_crossing" }, { kind = "section", normal = [0.0, 1.0], offset = 0.5 }]',
    "collisions": "{ tau = 50.0 }",
    "seed": "1",
    "estimate_error": "false",
    "conserving_step": "0.1",
    "tolerance": "{ rtol = 1e-9 }",
}
PACKET_EXAMPLES = {
    **MOTION_EXAMPLES,
    "packet": "{ position = [0.0, 0.0], wavevector = [-0.5, 0.4], band = 0, width = 6.0 }",
    "times": "{ start = 0.0, stop = 10.0, count = 11 }",
    "sites": "80",
    "electric_field": "[0.02, 0.0]",
    "center": "[0.0, 0.0]",
    "envelope": '"product"',
    "reference": "[1.0, 0.0]",
    "lattice_constant": "0.1",
    "theories": '["adiabatic", { moment = false }]',
    "nodes": "5",
}
ORBIT_EXAMPLES = {
    "magnetic_field": "[0.02, 0.04]",
    "grid": "48",
    "band": "1",
    "k": "[[0.0, 0.0]]",
    "kind": '"electron"',
    "levels": "4",
    "berry": "true",
    "moment": "false",
    "g_factor": "2.0",
    "extent": "2.0",
    "k_parallel": "0.0",
}
OSCILLATION_EXAMPLES = {
    **ORBIT_EXAMPLES,
    "mu": '"0.8:1.2:3"',
    "temperature": "[0.0, 0.005]",
    "tau": "200.0",
    "harmonics": "2",
    "planes": "40",
}
# Where a quantity takes another kind of value than the others.  Responses that vanish in the middle of a symmetric
# spectrum, as at mu = 0 of the starter model, need an absolute aim.
OWN_EXAMPLES = {
    "fermi_surface": {"mu": "1.0", "points": "64", "grid": "64"},
    **{q.name: {"tolerance": "{ rtol = 1e-3, atol = 1e-6 }"} for q in INTRINSIC},
    # S is asked for relative to its size, which vanishes at mu = 0
    "thermoelectric": {"mu": '"-2.5:-1.0:4"', "tolerance": "{ rtol = 1e-2 }"},
    "propagate": MOTION_EXAMPLES,
    **dict.fromkeys(("exact.lattice_packet", "exact.compare"), PACKET_EXAMPLES),
    "orbits.cyclotron_orbits": {**ORBIT_EXAMPLES, "energy": '"0.8:1.2:3"', "magnetic_field": "0.02"},
    "orbits.landau_levels": ORBIT_EXAMPLES,
    "orbits.quantum_oscillations": OSCILLATION_EXAMPLES,
    "orbits.bloch_oscillation": {"k": "[[0.0, 0.2]]", "electric_field": "[0.05, 0.0]", "band": "0"},
    "nonadiabatic.landau_zener": {"gap": "[0.1, 0.2]", "velocity": "1.0", "electric_field": '"0.005:0.1:20"'},
    "nonadiabatic.avoided_crossing": {
        "k": "[0.3, 0.07]",
        "electric_field": "[0.05, 0.0]",
        "band": "0",
        "extent": "0.6",
    },
    "nonadiabatic.bloch_zener": {"k": "[[0.0], [0.1]]", "electric_field": "[0.1]"},
    "nonadiabatic.dirac_hall_suppression": {"field": '"0.1:100:31 log"'},
    "spin_hall": {"mu": "0.0", "temperature": "0.0"},
    **{q.name: {"mu": '"0.45:0.6:4"', "temperature": "0.05", "tolerance": "{ rtol = 1e-2 }"} for q in NONLINEAR},
    "nonlocal_conductivity": {
        "mu": "[0.5, 0.6]",
        "temperature": "0.05",
        "relaxation": '"uniform"',
        "tolerance": "{ rtol = 1e-2 }",
    },
    "exact.liouville_response": {"mu": "[-1.5, -1.0]", "temperature": "0.3", "relaxation": '"uniform"'},
    "exact.liouville_evolution": {
        "mu": "-1.5",
        "temperature": "0.3",
        "times": "{ start = 0.0, stop = 10.0, count = 21 }",
        "electric_field": "[0.05, 0.0]",
        "tau": "5.0",
        "relaxation": '"uniform"',
        "tolerance": "{ rtol = 1e-2 }",
    },
    **{name: {"p": "1", "q": "7"} for name in ("exact.grand_potential", "exact.electron_density", "exact.entropy")},
    "exact.edge_magnetization": {"width": "64"},
    **{
        q.name: {
            "mu": "[1.0, 1.2]",
            "temperature": "0.0",
            "points": "64",
            "grid": "64",
            "operator": '"spin_x"',
            "spin": '"spin"',
        }
        for q in DISORDERED
    },
    # warm enough for differences at flux 2/q
    **{
        f"exact.{name}": {"temperature": "[0.1, 0.2]", "tolerance": "{ rtol = 1e-2, atol = 1e-5 }"}
        for name in ("magnetization", "streda", "magnetocaloric")
    },
}
SHOWN = ("mu", "temperature", "path", "points", "color", "spin", "mu_gradient", "tolerance", "packet", "electric_field")
# options that such a job needs unless another option replaces them
ALSO_SHOWN = {"nonlinear_conductivity": ("tau",)}
# where the Haldane model has no such property: zoo model and its parameters
OWN_MODELS = {
    **{f"orbits.{x}": ("massive_dirac", "{ mass = 0.4 }") for x in ("cyclotron_orbits", "quantum_oscillations")},
    "orbits.landau_levels": ("massive_dirac", "{ mass = 0.4 }"),
    "orbits.bloch_oscillation": ("square", "{ }"),
    **{
        f"nonadiabatic.{x}": ("massive_dirac", "{ mass = 0.1 }")
        for x in ("landau_zener", "avoided_crossing", "dirac_hall_suppression")
    },
    "nonadiabatic.bloch_zener": ("rice_mele", "{ t_intra = 1.0, t_inter = 0.8, mass = 0.1 }"),
    **dict.fromkeys(("exact.lattice_packet", "exact.compare"), ("qwz", "{ }")),
    "spin_hall": ("kane_mele", "{ rashba = 0.05 }"),
    "valley_hall": ("graphene", "{ mass = 0.5 }"),
    **{q.name: ("massive_dirac", "{ mass = 0.3, tilt = [0.2, 0.0], cutoff = 2.0 }") for q in NONLINEAR},
    "disordered_conductivity": ("massive_dirac", "{ mass = 0.3 }"),
    "disordered_observable": ("topological_surface", "{ m = [0.0, 0.0, 0.3] }"),
    "disordered_spin_density": ("rashba_ferromagnet", "{ exchange = 0.2 }"),
    "spin_orbit_torque": ("topological_surface", "{ m = [0.1, 0.0, 0.3] }"),
}


def starter_job(quantity: str) -> str:
    """The text of a job for one quantity.

    Examples
    --------
    >>> from blochflow.cli.templates import starter_job
    >>> "quantity = \\"bands\\"" in starter_job("bands")
    True
    """
    described = all_quantities()[quantity]
    model, parameters = OWN_MODELS.get(quantity, ("haldane", "{ mass = 0.1 }"))
    zoo = {"model": model, "zoo": f'zoo = "{model}"', "parameters": f"parameters = {parameters}"}
    lines = [HEAD.format(title=described.title, name=quantity, **zoo).rstrip("\n")]
    for name, text in describe_arguments(quantity).items():
        active = name in SHOWN or name in arguments_of(quantity) or name in ALSO_SHOWN.get(quantity, ())
        example = OWN_EXAMPLES.get(quantity, EXAMPLES).get(name) or EXAMPLES.get(name, "...")
        assignment = f"{name} = {example}"
        lines.append(f"{assignment if active else '# ' + assignment:<34} # {text}")
    return "\n".join(lines) + "\n" + TAIL
