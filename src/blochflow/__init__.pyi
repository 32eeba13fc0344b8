"""Typed public names of Blochflow; at run time they are imported when first used."""

from blochflow import exact as exact
from blochflow import geometry as geometry
from blochflow import plot as plot
from blochflow import response as response
from blochflow.core.convert import to_si as to_si
from blochflow.core.convert import to_units as to_units
from blochflow.core.errors import BlochflowError as BlochflowError
from blochflow.core.errors import BlochflowWarning as BlochflowWarning
from blochflow.core.errors import ConvergenceError as ConvergenceError
from blochflow.core.errors import DegenerateBandsError as DegenerateBandsError
from blochflow.core.errors import FileFormatError as FileFormatError
from blochflow.core.errors import FileWarning as FileWarning
from blochflow.core.errors import JobError as JobError
from blochflow.core.errors import NonFiniteError as NonFiniteError
from blochflow.core.errors import SymmetryWarning as SymmetryWarning
from blochflow.core.errors import UserModelError as UserModelError
from blochflow.core.errors import ValidityWarning as ValidityWarning
from blochflow.core.files import open as open
from blochflow.core.files import save as save
from blochflow.core.lattice import Lattice as Lattice
from blochflow.core.units import EV_ANGSTROM as EV_ANGSTROM
from blochflow.core.units import NATURAL as NATURAL
from blochflow.core.units import Units as Units
from blochflow.disorder.potentials import Disorder as Disorder
from blochflow.execution.threads import Execution as Execution
from blochflow.geometry.bands import Bands as Bands
from blochflow.geometry.bands import bands as bands
from blochflow.geometry.subspace import Subspace as Subspace
from blochflow.models import zoo as zoo
from blochflow.models.bloch import LatticeModel as LatticeModel
from blochflow.models.continuum import ContinuumModel as ContinuumModel
from blochflow.models.interop import from_pythtb as from_pythtb
from blochflow.models.interop import from_tbmodels as from_tbmodels
from blochflow.models.k_points import KPath as KPath
from blochflow.models.k_points import k_grid as k_grid
from blochflow.models.k_points import k_path as k_path
from blochflow.models.tight_binding import TightBinding as TightBinding
from blochflow.models.wannier90 import read_wannier90 as read_wannier90
from blochflow.models.wannier90 import write_wannier90 as write_wannier90
from blochflow.response.export import export as export
from blochflow.response.sensitivity import sensitivity as sensitivity
from blochflow.zone.tolerance import Tolerance as Tolerance

__version__: str
