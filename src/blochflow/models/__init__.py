"""Hamiltonians: tight binding, user functions of k, k.p, Wannier90 files, and a zoo of standard models."""
