"""Landscape of the tree committee with spherical weights: paths of solutions, errors on straight lines, curvature, flatness.

    errors_on_line      number of errors on the great circle between two configurations, its maximum exactly
    find_path           a path made of solutions between two solutions
    hessian, spectra    exact second derivatives of the cross-entropy and their eigenvalues, at a configuration or along a path
    flatness            mean increase of errors and loss under random perturbations of a given size
    sample_committee    typical solutions

y = sign(sum_j sign(h_j)), K odd, on disjoint branches: exchanging two units is no symmetry, so that no units have to be aligned before
two solutions are compared (as they have to be in a fully connected machine).
"""

from .curvature import Spectrum, hessian, hessian_spectrum, spectra
from .geometry import Line, errors_on_line
from .paths import SolutionPath, find_path
from .perturbations import Flatness, flatness
from .typical import sample_committee

__all__ = [
    "Flatness",
    "Line",
    "SolutionPath",
    "Spectrum",
    "errors_on_line",
    "find_path",
    "flatness",
    "hessian",
    "hessian_spectrum",
    "sample_committee",
    "spectra",
]
