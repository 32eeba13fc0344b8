"""What results of theories of several bands say of themselves: static text that needs no JAX."""

from __future__ import annotations

from dataclasses import replace

from blochflow.dynamics.catalog import PROPAGATE

EHRENFEST = replace(
    PROPAGATE,
    equation=("xdot = <chi|d_k H|chi>/hbar;  hbar kdot = -eE - <chi|d_x H|chi>;  i hbar chidot = H(k, x, t) chi"),
    references=("Tu2020", "Culcer2005"),
    valid_for=(
        "uniform fields of any strength, exactly for every wave vector; fields that vary slowly over a packet; drives"
    ),
    not_included=(
        "magnetic fields; in a texture the correlation of place and state within the packet, of the order of the Berry "
        "curvatures; spreading of the packet"
    ),
)

MANIFOLD = replace(
    PROPAGATE,
    equation=(
        "xdot + <F_kx> xdot + <F_kk> kdot = <chi|d_k H|chi>/hbar;  "
        "hbar kdot - hbar <F_xx> xdot - hbar <F_xk> kdot = -eE - <chi|d_x H|chi>;  "
        "i hbar chidot = (PHP + i hbar [Pdot, P]) chi;  F_ll' = i P[d_l P, d_l' P]P"
    ),
    references=("Tu2020", "Culcer2005"),
    valid_for="active bands apart from all others; splittings within them small against that gap",
    not_included="magnetic fields; transitions out of the active bands; spreading of the packet",
)

# what each theory may say
TERMS = {
    "adiabatic": ("berry", "moment", "gradient_energy", "second_order"),
    "ehrenfest": ("dressed",),
    "manifold": ("active", "gradient_energy"),
}
