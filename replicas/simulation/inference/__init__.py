"""What the patterns say of the weights: approximate message passing and belief propagation on single instances.

`amp` learns a teacher, `recovery_curve` does so on many instances; `belief_propagation` gives marginals of the solutions and their
Bethe entropy, `entropy_around` that of the solutions at a distance from a reference.
"""

from .approximate import AMP, amp
from .bethe import BeliefPropagation, belief_propagation
from .distance import EntropyAround, entropy_around
from .recovery import RecoveryCurve, recovery_curve

__all__ = ["AMP", "BeliefPropagation", "EntropyAround", "RecoveryCurve", "amp", "belief_propagation", "entropy_around", "recovery_curve"]
