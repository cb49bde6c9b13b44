"""Finite-N experiments, ignorant of the theory: exact enumeration, linear programming, simple learning rules.

P patterns xi of N sites form an array (P, N); labels y_mu = +-1; fields u_mu = y_mu xi_mu . W / sqrt(N).
Machines of several branches (tree committee, tree parity machine) take N sites in K consecutive branches.
Every random draw is seeded by (seed, name of the task): a sample can be redrawn by itself, in any order and
on any worker.
"""

from .enumeration import (
    MAX_SITES,
    Votes,
    count_solutions,
    count_solutions_by_load,
    count_votes,
    decode_weights,
    encode_weights,
    enumerate_solutions,
    mismatch_budget,
)
from .fields import field_counts, local_fields
from .machines import PERCEPTRON, machine_outputs, majority, parity
from .problems import Problem, draw_patterns, draw_problem, draw_teacher
from .rules import hebb_student, overlap, pseudo_inverse_student, teacher_overlap
from .sampling import SampleRun, run_samples
from .seeding import task_generator
from .separability import cover_count, is_separable, separable_probability

__all__ = [
    "MAX_SITES",
    "PERCEPTRON",
    "Problem",
    "SampleRun",
    "Votes",
    "count_solutions",
    "count_solutions_by_load",
    "count_votes",
    "cover_count",
    "decode_weights",
    "draw_patterns",
    "draw_problem",
    "draw_teacher",
    "encode_weights",
    "enumerate_solutions",
    "field_counts",
    "hebb_student",
    "is_separable",
    "local_fields",
    "machine_outputs",
    "majority",
    "mismatch_budget",
    "overlap",
    "parity",
    "pseudo_inverse_student",
    "run_samples",
    "separable_probability",
    "task_generator",
    "teacher_overlap",
]
