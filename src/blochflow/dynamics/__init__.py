"""Motion of wave packets: equations of motion, trajectories, ensembles, orbits."""
