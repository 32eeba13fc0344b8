"""From the [model] table of a job to a model; paths are relative to the job file."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blochflow.cli.quantities import is_field, moves_packets
from blochflow.core.checks import nearest
from blochflow.core.errors import BlochflowError, UserModelError

if TYPE_CHECKING:
    from blochflow.cli.job import Job
    from blochflow.models.base import AbstractModel
    from blochflow.models.local import AbstractLocalModel

    AnyModel = AbstractModel | AbstractLocalModel

PACKAGE = Path(__file__).parents[1]


def load_model(job: Job) -> AnyModel:
    """Build the model of a job; one that varies in space or time only for motions.

    Raises
    ------
    JobError
        Unknown model or parameter, with the line in the job.
    FileFormatError, UserModelError
        A file or the user's function is at fault.
    """
    from blochflow.models.base import AbstractModel

    table = job.model
    if table.wannier90 is not None:
        model = _from_wannier90(job)
    else:
        made = _from_zoo(job) if table.zoo is not None else _from_python(job)
        if not isinstance(made, AbstractModel):
            _check_local(job, made)
            return made
        model = made
    if table.operators and table.wannier90 is None:
        try:
            model = model.with_operators(**table.operators)
        except ValueError as exc:
            raise job.error(str(exc), "model.operators") from exc
    if table.spin_degeneracy is not None and table.wannier90 is None:
        model = model.with_spin_degeneracy(table.spin_degeneracy)
    return _cut(job, _in_flux(job, model))


def _check_local(job: Job, model: AbstractLocalModel) -> None:
    """Models of (k, x, t) move packets and carry currents at finite field, and are taken as they are."""
    for index, task in enumerate(job.tasks):
        if not (moves_packets(task.quantity) or is_field(task.quantity)):
            message = (
                f"{model.name} varies in space or time, where `{task.quantity}` is not known. Move packets "
                '(quantity = "propagate" or "exact.compare"), ask for a "finite_field_current" or "hybrid_bands", or '
                "give a function that returns the model of one place, model.at(x, t)."
            )
            raise job.error(message, f"task[{index}].quantity")
    for name in ("operators", "spin_degeneracy", "flux", "ribbon"):
        if getattr(job.model, name):
            raise job.error(f"models that vary in space or time have no `{name}`.", f"model.{name}")


def notes_of(model: AnyModel) -> Sequence[str]:
    """What the user should know of a model."""
    from blochflow.models.base import AbstractModel

    return model.notes if isinstance(model, AbstractModel) else ()


def _in_flux(job: Job, model: AbstractModel) -> AbstractModel:
    """The model in the magnetic flux of the job."""
    flux = job.model.flux
    if flux is None:
        return model
    from blochflow.exact import hofstadter

    try:
        return hofstadter(model, flux.p, flux.q)  # type: ignore[no-any-return]
    except ValueError as exc:
        raise job.error(str(exc), "model.flux") from exc


def _cut(job: Job, model: AbstractModel) -> AbstractModel:
    """The ribbon of the job, as a one-dimensional model."""
    table = job.model.ribbon
    if table is None:
        return model
    from blochflow.exact import ribbon

    try:
        return ribbon(model, table.width, direction=table.direction).model  # type: ignore[no-any-return]
    except ValueError as exc:
        raise job.error(str(exc), "model.ribbon") from exc


def check_tasks(job: Job, model: AbstractModel) -> None:
    """Operators, paths, surfaces, functions and files that tasks name must exist; found out before any computation."""
    from blochflow.geometry.band_structure import CURVATURE, curvature_axes
    from blochflow.models.k_points import k_path
    from blochflow.response.relaxation import as_relaxation

    for index, task in enumerate(job.tasks):
        color = task.arguments.get("color")
        try:
            if color is not None and color.startswith(CURVATURE):
                curvature_axes(color, model.dimension)
            elif color is not None:
                model.operator(color)
        except ValueError as exc:
            raise job.error(str(exc), f"task[{index}].color") from exc
        if task.quantity == "bands":
            try:
                k_path(model, task.arguments["path"], task.arguments.get("points", 200))
            except ValueError as exc:
                key = "points" if "`points`" in str(exc) and "points" in task.arguments else "path"
                raise job.error(str(exc), f"task[{index}].{key}") from exc
        if task.quantity == "symmetry_table":
            _check_table(job, index, model)
        if task.quantity == "fermi_surface":
            _check_surface(job, index, model)
        tau = task.arguments.get("tau")
        if isinstance(tau, str):
            as_relaxation(load_function(job, tau, f"task[{index}].tau"), model)
        reference = task.arguments.get("reference")
        if reference is not None and not (job.path.parent / reference).is_file():
            raise job.error(f"there is no file {reference!r} beside the job.", f"task[{index}].reference")


def _check_surface(job: Job, index: int, model: AbstractModel) -> None:
    """Dimension, grid and points of a Fermi surface."""
    from blochflow.geometry.fermi_surface import check_arguments

    given = job.tasks[index].arguments
    try:
        check_arguments(model, given["mu"], given.get("grid"), given.get("points"), given.get("color"))
    except ValueError as exc:
        key = next((name for name in ("mu", "grid", "points", "color") if f"Argument `{name}`" in str(exc)), "quantity")
        raise job.error(str(exc), f"task[{index}].{key}") from exc


def _check_table(job: Job, index: int, model: AbstractModel) -> None:
    """States and threshold of a table of symmetries."""
    from blochflow.core.checks import as_real_array
    from blochflow.response.symmetry_samples import states_to_sample

    given = job.tasks[index].arguments
    try:
        as_real_array(given.get("threshold", 0.0), "threshold", positive=False)
        states_to_sample(model, given.get("mu"), given.get("temperature"))
    except ValueError as exc:
        key = next((name for name in ("threshold", "mu", "temperature") if f"`{name}`" in str(exc)), "quantity")
        raise job.error(str(exc), f"task[{index}].{key if key in given else 'quantity'}") from exc


def _from_wannier90(job: Job) -> AbstractModel:
    from blochflow.models.wannier90 import read_wannier90

    table = job.model
    options: dict[str, Any] = {}
    if table.wsvec is not None:
        is_file = isinstance(table.wsvec, str) and table.wsvec != "auto"
        options["wsvec"] = job.path.parent / table.wsvec if is_file else table.wsvec
    if table.periodic is not None:
        options["periodic"] = tuple(table.periodic)
    if table.operators:
        options["operators"] = table.operators
    if table.spin_degeneracy is not None:
        options["spin_degeneracy"] = table.spin_degeneracy
    if not (job.path.parent / table.wannier90).is_file():
        raise job.error(f"there is no file {table.wannier90!r} in {job.path.parent.resolve()}.", "model.wannier90")
    try:
        return read_wannier90(job.path.parent / table.wannier90, **options)
    except ValueError as exc:
        named = next((key for key in ("operators", "periodic", "wsvec") if f"`{key}" in str(exc)), "wannier90")
        raise job.error(str(exc), f"model.{named}") from exc


def _from_zoo(job: Job) -> AnyModel:
    from blochflow.models import zoo

    name = job.model.zoo
    known = (*zoo.names(), *zoo.textures())
    if name not in known:
        message = f"{name!r} is not a model of the zoo; `blochflow models` lists them."
        raise job.source.error(message, "model.zoo", nearest(name, known))
    return _call(job, getattr(zoo, name), f"zoo model {name!r}")


def _from_python(job: Job) -> AnyModel:
    """``file.py:function``: import the file, call the function, check what comes back."""
    from blochflow.models.base import AbstractModel
    from blochflow.models.local import AbstractLocalModel

    text = job.model.python
    model = _call(job, load_function(job, text, "model.python"), text)
    if not isinstance(model, AbstractModel | AbstractLocalModel):
        raise UserModelError(
            f"{text} must return a model (bf.TightBinding, bf.LatticeModel, bf.LocalModel, ...), but returned "
            f"{type(model).__name__}."
        )
    return model


def load_function(job: Job, text: str, key: str) -> Callable[..., Any]:
    """The function that ``file.py:function`` names, in a file beside the job.

    Raises
    ------
    JobError
        Not of this form, no such file or no such function.
    UserModelError
        The file cannot be imported.
    """
    file_name, colon, function_name = text.rpartition(":")
    if not colon or not file_name or not function_name.isidentifier():
        raise job.error(f'write "file.py:function", but it is {text!r}.', key)
    path = job.path.parent / file_name
    if not path.is_file():
        raise job.error(f"there is no file {file_name!r} in {job.path.parent.resolve()}.", key)
    module = _import_file(path)
    function = getattr(module, function_name, None)
    if not callable(function):
        known = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__]
        message = f"{file_name} has no function {function_name!r}; it has {', '.join(known) or 'none'}."
        raise job.source.error(message, key, nearest(function_name, known))
    return function  # type: ignore[no-any-return]


def _call(job: Job, function: Callable[..., Any], what: str) -> Any:
    """Call a function with the parameters of the job; misspelt parameters name the nearest."""
    parameters = job.model.parameters
    signature = inspect.signature(function).parameters.values()
    names = [p.name for p in signature if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if not any(p.kind is p.VAR_KEYWORD for p in signature):
        for name in parameters:
            if name not in names:
                message = f"{what} has no such parameter; it has {', '.join(names) or 'none'}."
                raise job.source.error(message, f"model.parameters.{name}", nearest(name, names))
    missing = [p.name for p in signature if p.default is p.empty and p.name in names and p.name not in parameters]
    if missing:
        raise job.error(f"{what} needs a value for {', '.join(missing)}.", "model.parameters")
    try:
        return function(**parameters)
    except BlochflowError:
        raise
    except ValueError as exc:
        if str(exc).startswith("Argument `"):
            raise job.error(str(exc), "model.parameters") from exc
        raise _user_error(what, exc) from exc
    except (Exception, SystemExit) as exc:
        raise _user_error(what, exc) from exc


def _user_error(what: str, exc: BaseException) -> UserModelError:
    """Name the line of the user's file at which it failed."""
    frames = [f for f in traceback.extract_tb(exc.__traceback__) if not Path(f.filename).is_relative_to(PACKAGE)]
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno}: {frames[-1].line})" if frames else ""
    return UserModelError(f"{what} failed: {type(exc).__name__}: {exc}{place}")


def _import_file(path: Path) -> Any:
    """Import a file under a name of its own, with its folder on the search path while it loads."""
    name = f"blochflow_user_{uuid.uuid4().hex}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserModelError(f"{path} cannot be imported; its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
    except SyntaxError as exc:
        raise UserModelError(f"{path}:{exc.lineno}: {exc.msg}: {(exc.text or '').strip()}") from exc
    except (Exception, SystemExit) as exc:
        raise _user_error(str(path), exc) from exc
    finally:
        sys.path.remove(str(path.parent.resolve()))
    return module
