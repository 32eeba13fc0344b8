"""Every error Blochflow raises on purpose, one class per kind of failure.

Three kinds are never mixed: a bad argument is a ``ValueError`` ("Argument `x` must ..., but ..."), a file,
job or user callback at fault is one of the classes below, and numerics that did not converge are a
``ConvergenceError`` that still carries the whole result.
"""

from __future__ import annotations

from typing import Any


class BlochflowError(Exception):
    """Base class of all errors that Blochflow raises on purpose."""


class BlochflowWarning(UserWarning):
    """Base class of all warnings of Blochflow."""


class ValidityWarning(BlochflowWarning):
    """A result lies outside, or near the edge, of the range where its theory holds."""


class SymmetryWarning(BlochflowWarning):
    """A symmetry that was asked for does not hold for the model within the tolerance, and is not used."""


class FileWarning(BlochflowWarning):
    """A file holds something odd, or an optional file is absent.

    What is computed may depend on it; the text says what was found and what is used instead.
    """


class FileFormatError(BlochflowError):
    """A file is rejected: where, what stands there, what should, and how to mend it.

    Parameters
    ----------
    path : str
        The file.
    line, column : int or None
        1-based place in the (decompressed) text; ``None`` where no place applies (an absent file).
    found, expected, fix : str
        What was read, what the format asks for, and what the user should do.
    """

    def __init__(
        self,
        path: str,
        line: int | None = None,
        column: int | None = None,
        *,
        found: str,
        expected: str,
        fix: str,
    ) -> None:
        self.path = str(path)
        self.line = line
        self.column = column
        self.found = found
        self.expected = expected
        self.fix = fix
        place = self.path
        if line is not None:
            place += f":{line}"
            if column is not None:
                place += f":{column}"
        super().__init__(f"{place}\n  found:    {found}\n  expected: {expected}\n  fix:      {fix}")


class JobError(BlochflowError):
    """A job file or a command-line setting is wrong; nothing was computed.

    Parameters
    ----------
    message : str
        What is wrong and what to do.
    path : str or None
        The job file.
    line : int or None
        1-based line of the offending key, where it could be located.
    key : str or None
        Dotted name of the offending key, e.g. ``"task[0].temperatur"``.
    nearest : str or None
        The valid key or value closest to what was written.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        line: int | None = None,
        key: str | None = None,
        nearest: str | None = None,
    ) -> None:
        self.path = path
        self.line = line
        self.key = key
        self.nearest = nearest
        place = ":".join(str(part) for part in (path, line) if part is not None)
        text = f"{place}: " if place else ""
        text += f"`{key}`: {message}" if key else message
        if nearest:
            text += f" Did you mean `{nearest}`?"
        super().__init__(text)


class UserModelError(BlochflowError):
    """A Hamiltonian or callable supplied by the user failed or returned something unusable."""


class DegenerateBandsError(BlochflowError):
    """A single-band quantity was asked of bands that are degenerate, where it is not defined.

    Parameters
    ----------
    k : sequence of float
        Cartesian wave vector.
    bands : tuple of int
        The bands that touch there.
    gap : float
        Their distance in energy.
    quantity : str
        What was asked for.
    remedy : str, optional
        What to do instead of asking for the whole group.
    """

    def __init__(
        self, k: Any, bands: tuple[int, ...], gap: float, quantity: str = "quantity", remedy: str | None = None
    ) -> None:
        self.k = tuple(float(x) for x in k)
        self.bands = tuple(int(b) for b in bands)
        self.gap = float(gap)
        where = ", ".join(f"{x:.6g}" for x in self.k)
        group = f"`subspace=bf.Subspace({list(self.bands)})`"
        remedy = remedy or f'Ask for the whole group with {group}, or for NaN there with `degenerate="nan"`.'
        super().__init__(
            f"The {quantity}{'' if 'band' in quantity else ' of a single band'} is not defined at k = ({where}): bands "
            f"{', '.join(map(str, self.bands))} are {self.gap:.3g} apart. {remedy}"
        )


class NonFiniteError(BlochflowError):
    """A NaN or infinite number appeared in a kernel."""

    def __init__(
        self, k: Any, bands: tuple[int, ...] = (), what: str = "The Hamiltonian", remedy: str | None = None
    ) -> None:
        self.k = tuple(float(x) for x in k)
        self.bands = tuple(int(b) for b in bands)
        where = ", ".join(f"{x:.6g}" for x in self.k)
        which = f" (bands {', '.join(map(str, self.bands))})" if bands else ""
        remedy = remedy or (
            "Check the model's parameters and its function at this k; a division by a vanishing function of k is the "
            "usual cause."
        )
        super().__init__(f"{what} is not finite at k = ({where}){which}. {remedy}")


class ConvergenceError(BlochflowError):
    """The requested tolerance was not reached; ``.result`` holds the whole result with its errors."""

    def __init__(self, message: str, result: Any = None) -> None:
        self.result = result
        super().__init__(message)
