"""Pure mathematics of the Brillouin zone: grids, Fourier sums, integration rules.  Knows no model."""
