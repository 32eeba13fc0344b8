"""All benchmarks in one go: `make bench` runs this and writes benchmarks/RESULTS.md.

Every number comes from a process of its own.  Programs by others are installed into benchmarks/.peers and run there,
never imported; one that cannot be had is skipped, and the report says why.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from measure import DISORDERED, NONLINEAR

HERE = Path(__file__).resolve().parent
PEERS = HERE / ".peers"
RESULTS = HERE / "RESULTS.md"
FE = HERE.parent / "examples" / "fe_bcc" / "Fe_tb.dat.xz"
GRID, FERMI = 36, 17.6376
STARTS = 5
REFINEMENTS = 9  # rounds of WannierBerri's adaptive refinement
TIMEOUT = 1200  # seconds for one measurement; more means that something is wrong

Row = dict[str, Any]


def measure(case: str) -> Row:
    """Run one case of measure.py."""
    print(f"measuring {case} ...", flush=True)
    # One thread in XLA's pool where one core is compared with one core: XLA splits `eigh` over a larger pool.
    two = case == "iron_hall_2" or "converged" in case
    environment = dict(os.environ) if two else {**os.environ, "NPROC": "1"}
    command = [sys.executable, HERE / "measure.py", case]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=TIMEOUT)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def start_seconds(command: list[str]) -> float:
    """Median wall time of a short program."""
    seconds = []
    for _ in range(STARTS):
        start = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, timeout=TIMEOUT)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def starts() -> dict[str, float]:
    """Seconds to start Python, to import Blochflow, to show the help of the command line."""
    print("measuring start-up ...", flush=True)
    found = {
        "python -c pass": start_seconds([sys.executable, "-c", "pass"]),
        'python -c "import blochflow"': start_seconds([sys.executable, "-c", "import blochflow"]),
    }
    program = Path(sys.executable).with_name("blochflow")
    if program.exists():
        found["blochflow --help"] = start_seconds([str(program), "--help"])
    return found


def install_wannierberri() -> str | None:
    """Create the second environment; the reason why it cannot be had, or None."""
    python = PEERS / "bin" / "python"
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", PEERS], check=True, timeout=TIMEOUT)
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "wannierberri", "numba"]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT)
    except (subprocess.SubprocessError, OSError) as error:
        return f"could not be installed ({type(error).__name__})"
    return None


def wannierberri(*iterations: int) -> Row | str:
    """WannierBerri on the same grid, or with rounds of refinement, or the reason why not."""
    print("measuring WannierBerri ...", flush=True)
    reason = install_wannierberri()
    if reason is not None:
        return reason
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "Fe_tb.dat"
        with lzma.open(FE) as packed, path.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
        command = [
            PEERS / "bin" / "python",
            HERE / "wannierberri_iron.py",
            path,
            str(GRID),
            str(FERMI),
            *map(str, iterations),
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            return f"not done after {TIMEOUT} s"
    if done.returncode != 0:
        return f"failed: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'no message'}"
    return dict(json.loads(done.stdout.splitlines()[-1]))


def postw90() -> str:
    """Why postw90.x is not measured."""
    if shutil.which("postw90.x") is None:
        return "not on PATH"
    return "reads the checkpoint file (.chk) of the ab-initio run, which is not part of the example"


def per_k(row: Row) -> float:
    """Microseconds per k point."""
    return 1e6 * float(row["seconds"]) / int(row["points"])


def iron_table() -> list[str]:
    """bcc iron: time per k point in units of a bare diagonalization, and memory."""
    bare, one = measure("iron_eigh"), measure("iron_hall_1")
    rows: list[tuple[str, Row | str]] = [
        ("bare `eigh`, 18 x 18 complex, one thread", bare),
        ("Blochflow, 1 worker", one),
        ("Blochflow, 2 workers", measure("iron_hall_2")),
        ("WannierBerri, serial", wannierberri()),
        ("postw90.x", postw90()),
    ]
    head = [
        "| program | time per k / bare `eigh` | us per k | peak memory, MiB | sigma_xy, S/cm |",
        "|---|---|---|---|---|",
    ]
    return [
        *head,
        *(iron_row(name, row, bare) for name, row in rows),
        "",
        f"The first call takes {one['first_seconds'] - one['seconds']:.1f} s more, for compilation.",
        f"Before the integral Blochflow's process, with JAX and the model, holds {one['memory_before_mib']:.0f} MiB.",
    ]


def iron_row(name: str, row: Row | str, bare: Row) -> str:
    """One line of the table of iron."""
    if isinstance(row, str):
        return f"| {name} | skipped: {row} | | | |"
    label = f"{name} {row['version']}" if "version" in row else name
    value = f"{row['value']:.6f}" if "value" in row else ""
    return f"| {label} | {per_k(row) / per_k(bare):.2f} | {per_k(row):.0f} | {row['memory_mib']:.0f} | {value} |"


def converged_table() -> list[str]:
    """bcc iron at 300 K to one per cent."""
    lines = [
        "| method | sigma_xy, S/cm | wall s | CPU s | k points | peak memory, MiB |",
        "|---|---|---|---|---|---|",
    ]
    row = measure("iron_converged")
    bar = f"{row['value']:.1f} +- {row['error']:.1f}" + ("" if row["converged"] else " (not converged)")
    lines.append(
        f'| Blochflow, `rule="local"`, rtol = 1e-2, 2 workers | {bar} | {row["seconds"]:.0f} | '
        f"{row['cpu_seconds']:.0f} | {row['points']} | {row['memory_mib']:.0f} |"
    )
    peer = wannierberri(REFINEMENTS)
    name = f"WannierBerri, {GRID}^3 points and {REFINEMENTS} rounds of refinement, serial"
    if isinstance(peer, str):
        return [*lines, f"| {name} | skipped: {peer} | | | | |"]
    seconds, memory = f"{peer['seconds']:.0f}", f"{peer['memory_mib']:.0f}"
    return [*lines, f"| {name} | {peer['value']:.1f}, no error bar | {seconds} | {seconds} | | {memory} |"]


def plane_table() -> list[str]:
    """Two bands: k points per second and core."""
    hoppings, function = measure("plane_hall"), measure("plane_hall_function")
    lines = ["| model | k points per second and core | us per k |", "|---|---|---|"]
    for name, row in (("Haldane model, hoppings", hoppings), ("the same as a function H(k)", function)):
        lines.append(f"| {name} | {row['points'] / row['seconds']:.3g} | {per_k(row):.2f} |")
    return lines


def together_table() -> list[str]:
    """All intrinsic quantities from one pass, in units of the anomalous Hall conductivity alone."""
    lines = ["| model | anomalous Hall alone, us per k | all four, us per k | ratio |", "|---|---|---|---|"]
    for name, case in (("bcc iron, 18 bands", "iron"), ("Haldane model", "plane")):
        alone, all_four = measure(f"{case}_alone"), measure(f"{case}_together")
        ratio = per_k(all_four) / per_k(alone)
        lines.append(f"| {name} | {per_k(alone):.2f} | {per_k(all_four):.2f} | {ratio:.2f} |")
    return lines


def nonlinear_table() -> list[str]:
    """Quadratic and nonlocal responses of iron in units of a bare diagonalization."""
    bare = measure("iron_eigh")
    bare["seconds"] = bare["cpu_seconds"]
    lines = [
        "| quantity | time per k / bare `eigh` | us per k | peak memory, MiB | largest component | error | unit |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in NONLINEAR:
        row = measure(f"iron_{name}")
        lines.append(
            f"| `{name}` | {per_k(row) / per_k(bare):.1f} | {per_k(row):.0f} | {row['memory_mib']:.0f} | "
            f"{row['value']:.1e} | {row['error']:.1e} | {row['unit']} |"
        )
    return lines


def disorder_table() -> list[str]:
    """Responses of disordered crystals: time and memory against the number of points on the Fermi surface."""
    lines = [
        "| surface | disorder | points | surface, s | all parts, s | iterations | peak memory, MiB | skew, e^2/hbar |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, (solid, kind, _) in DISORDERED.items():
        row = measure(name)
        steps = str(row["iterations"]) if row["iterations"] else "direct"
        model = "3D, Weyl pocket" if solid else "2D, tilted cone"
        lines.append(
            f"| {model} | {kind} | {row['points']} | {row['surface']:.1f} | "
            f"{row['seconds']:.2f} | {steps} | {row['memory_mib']:.0f} | {row['value']:.9f} |"
        )
    return lines


def motion_table() -> list[str]:
    """Trajectories per second beside SciPy and the least that the method could take."""
    lines = [
        "| model | packets | us per packet | steps | over the least | `solve_ivp` over it | largest drift | stopped |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, model in (("Haldane model", "haldane"), ("Weyl lattice", "weyl")):
        print(f"measuring motion of {model} ...", flush=True)
        environment = {**os.environ, "NPROC": "1"}
        command = [sys.executable, HERE / "motion.py", model]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=TIMEOUT)
        row = json.loads(done.stdout.splitlines()[-1])
        each, bound = row["per_packet"], row["bound_per_packet"]
        lines.append(
            f"| {name} | {row['packets']} | {1e6 * each:.0f} | {row['steps']:.1f} | {each / bound:.2f} | "
            f"{row['scipy_per_packet'] / each:.0f} | {row['drift']:.1e} | {row['stopped']} |"
        )
    return lines


def cost_table(script: str) -> list[str]:
    """What a script prints; those of docs/theory/cost.md renew their part of the page too."""
    print(f"measuring {script} ...", flush=True)
    environment = {**os.environ, "NPROC": "1"}
    command = [sys.executable, HERE / script]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=TIMEOUT)
    return done.stdout.splitlines()


def start_table() -> list[str]:
    """Start-up times."""
    lines = ["| command | seconds |", "|---|---|"]
    return lines + [f"| `{name}` | {seconds:.2f} |" for name, seconds in starts().items()]


@dataclass(frozen=True)
class Section:
    """One part of the report: its heading, what stands before its table, and what measures it."""

    heading: str
    text: tuple[str, ...]
    table: Callable[[], list[str]]

    def measured(self) -> list[str]:
        """Its lines, with the date and how busy the machine was."""
        load = os.getloadavg()[0]
        table = self.table()
        when = f"{time.strftime('%Y-%m-%d')}, load average before the start {load:.1f}."
        text = [*self.text, ""] if self.text else []
        return [f"## {self.heading}", "", *text, *table, "", when, ""]


SECTIONS = {
    "iron": Section(
        f"bcc iron, {GRID} x {GRID} x {GRID} points",
        (
            "Anomalous Hall conductivity (three components, one chemical potential, T = 0) of `examples/fe_bcc`:",
            "18 bands, 597 lattice vectors, with position matrices.",
        ),
        iron_table,
    ),
    "converged": Section(
        "bcc iron, 300 K, one per cent",
        ("The same conductivity with error bars of 99 % confidence; one run each, compilation included.",),
        converged_table,
    ),
    "plane": Section("Two bands, 1024 x 1024 points, one worker", (), plane_table),
    "together": Section(
        "One pass for several quantities, one worker",
        (
            "Anomalous Hall, Nernst and thermal Hall conductivities and the orbital magnetization, with Mott's rule,",
            "the Wiedemann-Franz law and the parts of the magnetization, at T > 0.",
        ),
        together_table,
    ),
    "nonlinear": Section(
        f"Quadratic and nonlocal responses of bcc iron, {GRID // 3} x {GRID // 3} x {GRID // 3} points",
        (
            "All components at one chemical potential and 300 K, CPU seconds of one worker.  A quadratic conductivity",
            "is two passes over the zone, the nonlocal one a trace for the value and three passes for its parts.",
            "The grid is fixed, there is no tolerance: the last columns are what the results state.  Inversion forbids",
            "all of them in iron, so that true components are zero but for what its Wannier functions break it by.",
        ),
        nonlinear_table,
    ),
    "disorder": Section(
        "Disordered Fermi surfaces",
        (
            "Drude, extrinsic velocity, side jump, skew scattering and, for white noise, the third cumulant of the",
            "conductivity at one Fermi surface, one worker; the surface is found and diagonalized before, compilation",
            "included.  White noise costs O(N); smooth correlations cost N times the rank of W.",
        ),
        disorder_table,
    ),
    "motion": Section(
        "Trajectories of wave packets",
        (
            "E and B, rtol = 1e-8, one worker, CPU seconds; saved at the end of twenty hbar/E.  Beside it DOP853 of",
            "`scipy.integrate.solve_ivp` with a plain Python right-hand side of the same two-band model, and the least",
            "time: mean steps times stages times one batched evaluation of the equations.  Packets that stopped began",
            "next to a node, where no packet stays in its band.",
        ),
        motion_table,
    ),
    "multiband": Section(
        "Wave packets of several bands",
        (
            "Ten thousand packets of the Haldane model in a uniform field, rtol = 1e-8, one worker, CPU seconds; saved",
            "at the end of twenty hbar/E.  The manifold is the packet's band: the adiabatic theory with a state.",
        ),
        lambda: cost_table("multiband.py"),
    ),
    "hybrid": Section(
        "Bands hybridised by a field",
        (
            "CPU time per k of random tight-binding models in two dimensions, 2048 k in one batch, one worker:",
            "energies and velocity matrices, hybridised bands with velocities, and with derivatives of their energies.",
        ),
        lambda: cost_table("hybrid.py"),
    ),
    "cost": Section(
        "Cost against sharpness",
        ("Definitions and the picture: `docs/theory/cost.md`.",),
        lambda: cost_table("sharpness.py"),
    ),
    "scan": Section("Scans", (), lambda: cost_table("scan.py")),
    "start": Section("Start-up", (), start_table),
}


def heading() -> list[str]:
    """The lines before the first section."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("blochflow", "jax", "numpy", "scipy"))
    return [
        "# Benchmarks",
        "",
        "Written by `make bench`.  Ratios travel between machines, absolute times do not.  Each number is a median",
        "in a process of its own, after compilation; those of costs and scans are CPU seconds, some of single calls.",
        "",
        f"Python {platform.python_version()}, {versions}; {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores.",
        "",
    ]


def previous() -> dict[str, list[str]]:
    """Sections of the report as it stands, by their headings."""
    if not RESULTS.exists():
        return {}
    found: dict[str, list[str]] = {}
    for part in RESULTS.read_text(encoding="utf-8").split("\n## ")[1:]:
        found[part.splitlines()[0]] = [*f"## {part}".rstrip().splitlines(), ""]
    return found


def main() -> None:
    """Measure everything, or the sections named, and write the report; each section as soon as it is measured."""
    parser = argparse.ArgumentParser(description="Run benchmarks and write benchmarks/RESULTS.md.")
    parser.add_argument("section", nargs="*", help=f"{', '.join(SECTIONS)}; all when left out")
    wanted = parser.parse_args().section or list(SECTIONS)
    for name in wanted:
        if name not in SECTIONS:
            parser.error(f"no section {name!r}; there are {', '.join(SECTIONS)}")
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
    parts = previous()
    for name in wanted:
        parts[SECTIONS[name].heading] = SECTIONS[name].measured()
        lines = [line for section in SECTIONS.values() for line in parts.get(section.heading, [])]
        RESULTS.write_text("\n".join([*heading(), *lines]).rstrip() + "\n", encoding="utf-8")
    print(f"wrote {RESULTS}")


if __name__ == "__main__":
    main()
