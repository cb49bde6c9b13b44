"""Finite-N experiments, ignorant of the theory: exact enumeration, linear programming, learning algorithms.

P patterns xi of N sites form an array (P, N); labels y_mu = +-1; fields u_mu = y_mu xi_mu . W / sqrt(N).
Machines of several branches (tree committee, tree parity machine) take N sites in K consecutive branches; the
units of a fully connected committee take the same N sites each, and their K N weights follow one another.
Every random draw is seeded by (seed, name of the task): a sample can be redrawn by itself, in any order and
on any worker.
"""

from .algorithms import ALGORITHMS
from .distances import pair_distances, shell_entropy, solution_shells
from .entropies import EntropyCurve, entropy_curve
from .enumeration import (
    MAX_SEARCH_SITES,
    MAX_SITES,
    Votes,
    count_solutions,
    count_solutions_by_load,
    count_votes,
    decode_weights,
    encode_weights,
    enumerate_solutions,
    mismatch_budget,
    search_solutions,
)
from .fields import field_counts, local_fields
from .inference import (
    AMP,
    BeliefPropagation,
    EntropyAround,
    RecoveryCurve,
    amp,
    belief_propagation,
    entropy_around,
    recovery_curve,
)
from .landscape import (
    Flatness,
    Line,
    SolutionPath,
    Spectrum,
    errors_on_line,
    find_path,
    flatness,
    hessian,
    hessian_spectrum,
    sample_committee,
    spectra,
)
from .learning import Algorithm, Result, Run, run
from .machines import PERCEPTRON, Architecture, fully_connected, machine_outputs, majority, parity
from .message_passing import MessagePassing, learn_committee, message_passing
from .neighbourhoods import (
    MAX_SHELL_SITES,
    LocalEntropies,
    Neighbourhoods,
    Shell,
    ShellEntropy,
    count_shells,
    quenched_mean,
    solution_codes,
)
from .overlaps import QuenchedEntropy, best_relabelling, overlap_counts, quenched_entropy
from .problems import Problem, draw_patterns, draw_problem, draw_teacher
from .rules import hebb_student, overlap, pseudo_inverse_student, teacher_overlap
from .samplers import (
    BinarySampling,
    Observable,
    Sampling,
    SphericalVolume,
    integrated_time,
    observe,
    sample_binary,
    sample_sphere,
    sample_stochastic,
    spherical_volume,
    split_r_hat,
)
from .sampling import SampleRun, run_samples
from .search import SearchRun
from .seeding import task_generator
from .separability import cover_count, is_separable, separable_probability
from .success import SuccessCurve, success_curve
from .threshold import Threshold, fit_threshold

__all__ = [
    "ALGORITHMS",
    "AMP",
    "MAX_SEARCH_SITES",
    "MAX_SHELL_SITES",
    "MAX_SITES",
    "PERCEPTRON",
    "Algorithm",
    "Architecture",
    "BeliefPropagation",
    "BinarySampling",
    "EntropyAround",
    "EntropyCurve",
    "Flatness",
    "Line",
    "LocalEntropies",
    "MessagePassing",
    "Neighbourhoods",
    "Observable",
    "Problem",
    "QuenchedEntropy",
    "RecoveryCurve",
    "Result",
    "Run",
    "SampleRun",
    "Sampling",
    "SearchRun",
    "Shell",
    "ShellEntropy",
    "SolutionPath",
    "Spectrum",
    "SphericalVolume",
    "SuccessCurve",
    "Threshold",
    "Votes",
    "amp",
    "belief_propagation",
    "best_relabelling",
    "count_shells",
    "count_solutions",
    "count_solutions_by_load",
    "count_votes",
    "cover_count",
    "decode_weights",
    "draw_patterns",
    "draw_problem",
    "draw_teacher",
    "encode_weights",
    "entropy_around",
    "entropy_curve",
    "enumerate_solutions",
    "errors_on_line",
    "field_counts",
    "find_path",
    "fit_threshold",
    "flatness",
    "fully_connected",
    "hebb_student",
    "hessian",
    "hessian_spectrum",
    "integrated_time",
    "is_separable",
    "learn_committee",
    "local_fields",
    "machine_outputs",
    "majority",
    "message_passing",
    "mismatch_budget",
    "observe",
    "overlap",
    "overlap_counts",
    "pair_distances",
    "parity",
    "pseudo_inverse_student",
    "quenched_entropy",
    "quenched_mean",
    "recovery_curve",
    "run",
    "run_samples",
    "sample_binary",
    "sample_committee",
    "sample_sphere",
    "sample_stochastic",
    "search_solutions",
    "separable_probability",
    "shell_entropy",
    "solution_codes",
    "solution_shells",
    "spectra",
    "spherical_volume",
    "split_r_hat",
    "success_curve",
    "task_generator",
    "teacher_overlap",
]
