"""Point operations in words: rotations, reflections, inversion, with and without time reversal."""

from __future__ import annotations

import numpy as np

# Two operations of a crystal differ by at least 1 in the Frobenius norm (1.4 for a turn by 60 degrees); rotations that
# lattice vectors of seven digits define are good to about 1e-5.
DIFFERENT = 1e-2


def describe(rotation: np.ndarray, time_reversal: bool) -> str:
    """A point operation in words, with its axis in Cartesian components.

    Examples
    --------
    >>> import numpy as np
    >>> from blochflow.zone.symmetry_names import describe
    >>> describe(np.diag([1.0, -1.0]), True)
    'reflection with normal (0, 1), with time reversal'
    """
    suffix = ", with time reversal" if time_reversal else ""
    name = _rotation_name(rotation)
    if name == "identity" and time_reversal:
        return "time reversal"
    return name + suffix


def _rotation_name(rotation: np.ndarray) -> str:
    d = len(rotation)
    if np.allclose(rotation, np.eye(d), atol=DIFFERENT):
        return "identity"
    if np.allclose(rotation, -np.eye(d), atol=DIFFERENT):
        return "inversion"
    determinant = np.linalg.det(rotation)
    if determinant < 0 and abs(np.trace(rotation) - (d - 2)) < DIFFERENT:
        return f"reflection with normal {_axis(-rotation)}"
    proper = rotation if d == 2 or determinant > 0 else -rotation
    cosine = (np.trace(proper) - (d - 2)) / 2
    angle = f"{np.degrees(np.arccos(np.clip(cosine, -1, 1))):.0f} degrees"
    if d == 2:
        return f"rotation by {angle if rotation[1, 0] >= 0 else '-' + angle}"
    return f"rotation by {angle} about {_axis(proper)}" + (" with inversion" if determinant < 0 else "")


def _axis(proper: np.ndarray) -> str:
    """Eigenvector of eigenvalue 1, oriented by the sense of rotation in 3D, its largest component 1."""
    values, vectors = np.linalg.eig(proper)
    axis = vectors[:, int(np.argmin(np.abs(values - 1)))].real
    turn = proper - proper.T
    sense = axis @ np.array([turn[2, 1], turn[0, 2], turn[1, 0]]) if len(axis) == 3 else 0.0
    largest = axis[int(np.argmax(np.abs(axis) > np.abs(axis).max() - 1e-6))]
    axis = axis / (abs(largest) * np.sign(sense if abs(sense) > 1e-6 else largest))
    return "(" + ", ".join(f"{x + 0.0:.3g}" for x in np.where(np.abs(axis) < 1e-6, 0.0, axis)) + ")"
