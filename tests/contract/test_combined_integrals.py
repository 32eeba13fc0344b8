"""Integrals computed from others: judged as a whole, with a status that agrees."""

from __future__ import annotations

import numpy as np

import blochflow as bf
from blochflow.core.status import Status
from blochflow.zone.integral import Integral, combined


def part(value, error, status=Status.CONVERGED):
    numbers = np.array([[value]]), np.array([[error]])
    return Integral(*numbers, np.array([status is Status.CONVERGED]), np.array([[abs(value)]]), 10, status)


def total_of(*parts, rtol=1e-3):
    value, error = (sum(getattr(x, name) for x in parts) for name in ("value", "error"))
    return combined(list(parts), value, error, parts[0].absolute, bf.Tolerance(rtol))


def test_terms_that_cancel_are_not_converged_though_each_is():
    total = total_of(part(1.0, 5e-4), part(-0.99, 5e-4))
    assert not total.converged.any()
    assert total.status is Status.NOT_CONVERGED
    assert total.evaluations == 20


def test_a_sharp_total_converges_and_a_failed_term_says_why():
    assert total_of(part(1.0, 1e-4), part(1.0, 1e-4)).status is Status.CONVERGED
    failed = total_of(part(1.0, 1e-4), part(1.0, np.nan, Status.NOT_INTEGER))
    assert failed.status is Status.NOT_INTEGER and not failed.converged.any()
