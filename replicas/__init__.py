"""Statistical physics of neural networks: derivations, verified numbers, finite-N confrontation.

A model is named (weights x likelihood x task); its replica free entropy is derived step by step, evaluated with an
error estimate, and questioned: ``capacity``, ``solve``, ``at_line``, ``transitions``, ``generalization``, ...
Importing this module loads neither numba, sympy, scipy nor matplotlib: each is loaded by the first call that needs it.
"""

import lazy_loader as _lazy

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submodules=["models", "numerics", "simulation", "symbolic", "theory"],
    submod_attrs={
        "verdicts": ["Verdict", "compare"],
        "models": ["Committee", "Discrete", "Likelihood", "Perceptron", "Spherical", "StochasticPerceptron", "TreeCommittee", "TreeParity", "field"],
        "local_results": ["FranzParisi", "LocalEntropy", "OverlapGap"],
        "results": ["BrokenPoint", "Curve", "Estimate", "FieldDistribution", "SaddlePoint"],
        "sweeps": ["Sweep", "SweepInterrupted", "SweepLost", "sweep"],
        "symbolic.derivation": ["Derivation", "derive"],
        "symbolic.sign_units": ["generalization_error"],
        "theory.capacity": ["capacity"],
        "theory.max_margin": ["max_margin"],
        "theory.committee": ["state_evolution"],
        "theory.constants": ["Constant", "Constants", "constants"],
        "theory.fields": ["field_distribution"],
        "theory.franz_parisi": ["franz_parisi", "isolation"],
        "theory.generalization": ["generalization"],
        "theory.ground_state": ["ground_state"],
        "theory.local_entropy": ["local_entropy"],
        "theory.local_entropy_threshold": ["local_entropy_threshold"],
        "theory.overlap_gap": ["overlap_gap"],
        "theory.phases": ["PhaseDiagram", "PhaseDiagramInterrupted", "phase_diagram"],
        "theory.saddle": ["solve"],
        "theory.stability": ["at_line", "stability"],
        "theory.transitions": ["transitions"],
    },
)
