"""Results on disk: netCDF4 files that any netCDF reader opens and that only ever appear complete.

Complex variables are stored as two real ones, ``x_re`` and ``x_im``; truth values as bytes with the attribute
``dtype = "bool"``, as xarray does.  A file is written next to its final name, flushed to the disk and then renamed,
so that an interrupted run leaves either the old file or the new one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blochflow.core.checks import as_path, fail
from blochflow.core.errors import FileFormatError

if TYPE_CHECKING:
    import xarray as xr

REAL, IMAGINARY = "_re", "_im"
# netCDF does not tell an array of one number from a number
ARRAY_ATTRIBUTES = ("grid", "history_points", "history_value", "label_positions", "electric_field")


def save(result: xr.Dataset, path: Any) -> Path:
    """Write a result to a netCDF4 file, atomically; an existing file is replaced.

    Parameters
    ----------
    result : Dataset
        From any function of Blochflow.
    path : str or Path
        Ends in ``.nc``; its folder must exist.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        Not a Dataset, a name that does not end in ``.nc``, or a missing folder.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> import os, tempfile
    >>> import blochflow as bf
    >>> n = bf.response.electron_density(bf.zoo.square(), mu=0.0, temperature=0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = bf.save(n, os.path.join(folder, "density.nc"))
    ...     same = bf.open(file)
    >>> same.identical(n)
    True
    """
    import xarray as xr

    if not isinstance(result, xr.Dataset):
        raise fail("result", "be an xarray.Dataset", f"is a {type(result).__name__}")
    target = Path(as_path(path, "path"))
    if target.suffix != ".nc":
        raise fail("path", "end in .nc", f"is {str(target)!r}")
    plain = split_complex(result)
    plain.attrs = {name: _plain_attribute(name, value) for name, value in result.attrs.items()}
    with replacing(target) as aside:
        plain.to_netcdf(aside, engine="h5netcdf")
    return target


def open(path: Any) -> xr.Dataset:  # the public name is bf.open
    """Read a result written by `save`, whole, with complex variables joined again.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Dataset
        Equal to what was saved.

    Raises
    ------
    ValueError
        ``path`` is neither text nor a Path.
    FileFormatError
        The file is absent, is not netCDF4, or is not a result of Blochflow.

    Examples
    --------
    >>> import blochflow as bf
    >>> bf.open("absent.nc")
    Traceback (most recent call last):
    blochflow.core.errors.FileFormatError: absent.nc
      found:    no such file
      expected: a result written by Blochflow
      fix:      check the name and the folder
    """
    import xarray as xr

    name = as_path(path, "path")
    expected = "a result written by Blochflow"
    if not os.path.isfile(name):
        found = "a folder" if os.path.isdir(name) else "no such file"
        fix = "give one .nc file in it" if os.path.isdir(name) else "check the name and the folder"
        raise FileFormatError(name, found=found, expected=expected, fix=fix)
    try:
        dataset = xr.load_dataset(name, engine="h5netcdf")
    except (OSError, ValueError, KeyError, RuntimeError) as exc:
        fix = "give a .nc file that `blochflow run` or bf.save wrote; if it is one, it was damaged: compute it again"
        raise FileFormatError(name, found=f"not a netCDF4 file ({exc})", expected=expected, fix=fix) from exc
    if not {"quantity", "version"} <= set(dataset.attrs):
        raise FileFormatError(
            name,
            found="a netCDF file without the attributes `quantity` and `version`",
            expected=expected,
            fix="open files of other programs with xarray.open_dataset",
        )
    # HDF5 has no encoding that a user should see, and it would break comparison of a saved with a fresh result
    for variable in dataset.variables.values():
        variable.encoding = {}
    dataset.encoding = {}
    for key in ARRAY_ATTRIBUTES:
        if key in dataset.attrs:
            dataset.attrs[key] = np.atleast_1d(dataset.attrs[key])
    return join_complex(dataset)


def split_complex(dataset: xr.Dataset) -> xr.Dataset:
    """Replace each complex variable ``x`` by ``x_re`` and ``x_im``."""
    result = dataset.copy()
    for name in [str(n) for n in dataset.data_vars if np.iscomplexobj(dataset[n])]:
        variable = dataset[name]
        result = result.drop_vars(name)
        result[name + REAL] = variable.real.assign_attrs(variable.attrs, complex_part="real")
        result[name + IMAGINARY] = variable.imag.assign_attrs(variable.attrs, complex_part="imaginary")
    return result


def join_complex(dataset: xr.Dataset) -> xr.Dataset:
    """Undo `split_complex`."""
    result = dataset.copy()
    for full in [str(n) for n in dataset.data_vars]:
        name, partner = full.removesuffix(REAL), full.removesuffix(REAL) + IMAGINARY
        if dataset[full].attrs.get("complex_part") != "real" or partner not in dataset:
            continue
        real, imaginary = dataset[full], dataset[partner]
        if real.dims != imaginary.dims:
            continue
        attrs = {key: value for key, value in real.attrs.items() if key != "complex_part"}
        result = result.drop_vars([full, partner])
        # real + 1j * imaginary would turn 1 + inf j into nan + inf j
        data = np.empty(real.shape, dtype=np.result_type(real.dtype, np.complex64))
        data.real, data.imag = real.values, imaginary.values
        joined = real.copy(data=data)
        joined.attrs = attrs
        result[name] = joined
    return result


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path next to ``target`` to write to; on success it is flushed and takes the place of ``target``."""
    folder = target.parent
    if not folder.is_dir():
        raise fail("path", "lie in an existing folder", f"{str(folder)!r} does not exist")
    if target.is_dir():
        raise fail("path", "be a file", f"{str(target)!r} is a folder")
    aside = None
    try:
        handle, aside = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=folder)
        os.close(handle)
        yield Path(aside)
        with Path(aside).open("rb+") as stream:
            os.fsync(stream.fileno())
        os.chmod(aside, 0o666 & ~_umask())
        os.replace(aside, target)
        _flush_folder(folder)
    except OSError as exc:
        # users know the name of the file, not that of the one beside it
        raise OSError(exc.errno, f"cannot be written ({exc.strerror or exc})", str(target)) from exc
    finally:
        if aside is not None:
            Path(aside).unlink(missing_ok=True)


def write_text(target: Path, text: str) -> None:
    """Write a text file atomically."""
    with replacing(target) as aside:
        aside.write_text(text, encoding="utf-8")


def _flush_folder(folder: Path) -> None:
    """Make the rename itself survive a crash, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _plain_attribute(name: Any, value: Any) -> Any:
    """Attributes that netCDF can hold: text, numbers, one-dimensional arrays."""
    if isinstance(value, bool | np.bool_):
        return int(value)
    if value is None:
        return ""
    if isinstance(value, Mapping) or np.ndim(value) > 1 or np.iscomplexobj(value):
        raise fail("result", "have attributes that are text, numbers or lists", f"`{name}` is {value!r}")
    return value
