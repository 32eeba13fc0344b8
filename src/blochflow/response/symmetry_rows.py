"""The table of components that symmetry allows: one row per response, as text and as a Dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blochflow.core.checks import fail
from blochflow.core.dataset import description
from blochflow.core.status import Status
from blochflow.response.catalog_symmetry import SYMMETRY_TABLE
from blochflow.zone.symmetry import Operation
from blochflow.zone.tensor_symmetry import TensorKind

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class SymmetryRow:
    """One response of a `SymmetryTable`.

    Attributes
    ----------
    quantity : str
        Name of the response.
    kind : TensorKind
        How its tensor transforms.
    operations : tuple of Operation
        The group that was found, the identity first.
    components : tuple of str
        Independent components: ``"xy"`` stands for both orders of an antisymmetric or symmetric pair; ``"z,xy"`` has
        the spin, or the derivative, before the comma.
    allowed : tuple of bool
    forbidden_by : tuple of tuples of str
        Per component, every operation that forbids it by itself, the simplest first; empty where only several
        together do, and for allowed components.
    reason : tuple of str
        Per component, ``""`` where it is allowed.
    constants : int
        Number of independent numbers that the group leaves in the tensor.
    note : str
        What is assumed.
    """

    quantity: str
    kind: TensorKind
    operations: tuple[Operation, ...]
    components: tuple[str, ...]
    allowed: tuple[bool, ...]
    forbidden_by: tuple[tuple[str, ...], ...]
    reason: tuple[str, ...]
    constants: int
    note: str = ""

    def is_allowed(self, component: str) -> bool:
        """Whether a component, such as ``"xy"``, may differ from zero."""
        return self.allowed[self._index(component)]

    def why(self, component: str) -> str:
        """What forbids a component; empty where it is allowed."""
        return self.reason[self._index(component)]

    def _index(self, component: str) -> int:
        if component not in self.components:
            raise fail("component", f"be one of {', '.join(self.components)}", f"is {component!r}")
        return self.components.index(component)


@dataclass(frozen=True)
class SymmetryTable:
    """Responses and the components that symmetry leaves them; what `symmetry_table` returns.

    ``table["anomalous_hall"]`` is a `SymmetryRow`; printing the table shows all of it.
    """

    model: str
    rows: tuple[SymmetryRow, ...]

    def __getitem__(self, quantity: str) -> SymmetryRow:
        known = {row.quantity: row for row in self.rows}
        if quantity not in known:
            raise KeyError(f"{quantity!r} is not a row of the table; it has {', '.join(known)}")
        return known[quantity]

    def __str__(self) -> str:
        width = max(len(row.quantity) for row in self.rows)
        lines = [f"Responses of {self.model} that its symmetries allow"]
        for row in self.rows:
            shown = [c for c, ok in zip(row.components, row.allowed, strict=True) if ok]
            count = f"operations: {len(row.operations)}, independent constants: {row.constants}"
            lines.append(f"{row.quantity:<{width}}  allowed: {', '.join(shown) or 'none'}  ({count})")
            reasons: dict[str, list[str]] = {}
            for component, reason in zip(row.components, row.reason, strict=True):
                reasons.setdefault(reason, []).append(component)
            lines += [f"{'':<{width}}  {', '.join(c)} = 0: {why}" for why, c in reasons.items() if why]
            lines += [f"{'':<{width}}  {row.note}"] if row.note else []
        return "\n".join(lines)

    def to_dataset(self) -> xarray.Dataset:
        """The table with one dimension ``entry``: quantity, component, allowed and reason."""
        import xarray

        flat = [
            (row.quantity, component, row.allowed[i], row.reason[i])
            for row in self.rows
            for i, component in enumerate(row.components)
        ]
        quantity, component, allowed, reason = (list(column) for column in zip(*flat, strict=True))
        operations = {f"operations_{row.quantity}": "; ".join(str(g) for g in row.operations) for row in self.rows}
        notes = {f"note_{row.quantity}": row.note for row in self.rows if row.note}
        return xarray.Dataset(
            {"allowed": (("entry",), allowed), "reason": (("entry",), reason)},
            coords={"quantity": (("entry",), quantity), "component": (("entry",), component)},
            attrs={
                **description(SYMMETRY_TABLE, ""),
                "model": self.model,
                "status": Status.CONVERGED.name,
                "status_message": "operations are verified to the threshold",
                **operations,
                **notes,
            },
        )
