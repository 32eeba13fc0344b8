"""Animations of wave packets on their way, as .gif or .mp4."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from blochflow.core.checks import as_index, as_real_array, fail
from blochflow.core.files import replacing
from blochflow.plot.trajectory_plot import as_packets, as_run, paths_of, trajectory

FORMATS = (".gif", ".mp4")


def animation(
    run: Any,
    path: Any,
    variable: str = "position",
    *,
    model: Any = None,
    packets: Any = None,
    frames: int = 100,
    rate: float = 20.0,
    dpi: float = 100.0,
) -> Path:
    """Write a film of wave packets that move along their trajectories.

    Parameters
    ----------
    run : Dataset or file
        From `bf.propagate`; frames are saved times.
    path : str or Path
        Ends in ``.gif`` or, where ffmpeg is installed, ``.mp4``; an existing file is replaced.
    variable, model, packets
        As for `trajectory`.
    frames : int
        Most frames; evenly chosen where more times were saved.
    rate : float
        Frames per second.
    dpi : float
        Pixels per inch of the figure.

    Returns
    -------
    Path
        The file, complete.

    Raises
    ------
    ValueError
        As `trajectory`; another ending, .mp4 without ffmpeg, or fewer than two frames.

    Examples
    --------
    Executed with the plots of trajectories in the tests, and in the tutorial on Bloch oscillations.

    >>> bf.plot.animation(run, "packet.gif", "wavevector", model=bf.zoo.haldane())  # doctest: +SKIP
    """
    target = Path(os.fspath(path))
    writer = _writer(target.suffix.lower(), as_real_array(rate, "rate", max_ndim=0, positive=True))
    if as_index(frames, "frames", "be an integer of at least 2") < 2:
        raise fail("frames", "be an integer of at least 2", f"is {frames}")
    resolution = float(as_real_array(dpi, "dpi", max_ndim=0, positive=True))
    import matplotlib.pyplot as plt
    from matplotlib.animation import FuncAnimation

    dataset = as_run(run)
    figure, axes = trajectory(dataset, variable, model=model, packets=packets)
    try:
        drawn = paths_of(dataset, variable, as_packets(packets, dataset))
        for line in axes.lines:
            line.set_alpha(0.35)
        dots = [axes.plot(*p.points[:1].T, "o", color="black", markersize=6, zorder=5)[0] for p in drawn]
        times = np.unique(np.linspace(0, dataset.sizes["time"] - 1, frames).round().astype(int))
        clock = axes.text(0.02, 0.02, "", transform=axes.transAxes) if len(drawn[0].points[0]) == 2 else None

        def show(index: int) -> list[Any]:
            time = float(dataset["time"].values[index])
            for dot, each in zip(dots, drawn, strict=True):
                point = each.points[_row_at(dataset, each.packet, index)][:, None]
                dot.set_data(*point[:2])
                if len(point) == 3:
                    dot.set_3d_properties(point[2])  # type: ignore[attr-defined]
            if clock is not None:
                clock.set_text(f"t = {time:.4g}")
            return dots

        film = FuncAnimation(figure, show, frames=[int(i) for i in times], blit=False)
        with replacing(target) as aside, tempfile.TemporaryDirectory() as folder:
            # writers choose the format by the ending
            made = Path(folder) / f"film{target.suffix.lower()}"
            film.save(made, writer=writer, dpi=resolution)
            shutil.copyfile(made, aside)
    finally:
        plt.close(figure)
    return target


def _row_at(dataset: Any, packet: int, index: int) -> int:
    """The point of a path that belongs to a saved time; packets that stopped rest at their end."""
    ended, time = float(dataset["end_time"].values[packet]), dataset["time"].values
    sense = 1 if time[-1] > time[0] else -1
    passed = int((sense * time <= sense * ended).sum())
    return min(index, passed)


def _writer(suffix: str, rate: np.ndarray) -> Any:
    """What writes films of this format."""
    from matplotlib.animation import FFMpegWriter, PillowWriter

    if suffix not in FORMATS:
        raise fail("path", f"end in {' or '.join(FORMATS)}", f"ends in {suffix or 'nothing'}")
    if suffix == ".gif":
        return PillowWriter(fps=float(rate))  # type: ignore[arg-type]
    if not FFMpegWriter.isAvailable():
        raise fail("path", "end in .gif where the program ffmpeg is not installed", "ends in .mp4")
    return FFMpegWriter(fps=float(rate))  # type: ignore[arg-type]
