"""Electron density and density of states at given chemical potential.

n = Int d^dk/(2 pi)^d sum_n f_n
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from blochflow.core.quantity import Quantity
from blochflow.models.base import AbstractModel
from blochflow.response.catalog import DENSITY_OF_STATES, ELECTRON_DENSITY
from blochflow.response.integrands import BandIntegrand, NumberSea, NumberSurface
from blochflow.response.request import Request, ZoneArguments

if TYPE_CHECKING:
    import xarray as xr


def electron_density(
    model: AbstractModel,
    mu: Any,
    temperature: Any,
    **zone: Unpack[ZoneArguments],
) -> xr.Dataset:
    """Electrons per length, area or volume in the bands of the model.

        n = Int d^dk/(2 pi)^d sum_n f_n

    Source: [AshcroftMermin1976] ch. 2, 8.  Valid for: independent electrons, T >= 0.  Not included: bands outside
    the model.

    Parameters
    ----------
    model, mu, temperature, **zone
        As for `anomalous_hall`.

    Returns
    -------
    Dataset
        ``value``, ``error``, ``converged`` with dims (mu, temperature); 1/a^d or 1/angstrom^d.

    Raises
    ------
    ValueError
        Wrong arguments.
    ConvergenceError
        Tolerance not reached.

    Examples
    --------
    >>> import blochflow as bf
    >>> n = bf.response.electron_density(bf.zoo.square(), mu=0.0, temperature=0.1)
    >>> round(float(n.value.item()), 6)      # half filling
    0.5
    """
    return _number(ELECTRON_DENSITY, NumberSea(), model, mu, temperature, zone)


def _number(
    quantity: Quantity,
    bands: BandIntegrand,
    model: AbstractModel,
    mu: Any,
    temperature: Any,
    zone: ZoneArguments,
    density: Any = None,
) -> xr.Dataset:
    """A scalar of equilibrium, per length, area or volume."""
    request = Request.of(quantity.name, model, mu, temperature, zone, density)
    factor, unit = request.factor(quantity)
    (integral,) = request.integrals(bands, factor=factor)
    return request.result(quantity, integral.scaled(factor), bands, unit, request.throw)


def density_of_states(
    model: AbstractModel,
    mu: Any,
    temperature: Any,
    *,
    density: Any = None,
    **zone: Unpack[ZoneArguments],
) -> xr.Dataset:
    """States per energy and length, area or volume at the energies ``mu``.

        D = Int d^dk/(2 pi)^d sum_n -f'(E_n)          (delta(mu - E_n) at T = 0)

    Source: [AshcroftMermin1976] ch. 8, Eq. (8.57).  Valid for: independent electrons.  At T > 0 this is dn/dmu.  Not
    included: bands outside the model.

    Parameters
    ----------
    model, mu, temperature, density, **zone
        As for `anomalous_hall`; T = 0 is refused on a fixed ``grid``.

    Returns
    -------
    Dataset
        ``value``, ``error``, ``converged`` with dims (mu, temperature); 1/(E a^d) or 1/(eV angstrom^d).

    Raises
    ------
    ValueError
        Wrong arguments.
    ConvergenceError
        Tolerance not reached; at T = 0 also where the density diverges.

    Examples
    --------
    >>> import blochflow as bf
    >>> dos = bf.response.density_of_states(bf.zoo.parabolic(), mu=0.5, temperature=0.0)
    >>> round(float(dos.value.item()) * 6.283185307, 6)      # m/(2 pi) in two dimensions
    1.0
    """
    return _number(DENSITY_OF_STATES, NumberSurface(), model, mu, temperature, zone, density)
