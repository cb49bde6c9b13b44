# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Learning a rule
#
# A student sees $\alpha N$ patterns labelled by a teacher of its own kind. Its overlap with the teacher, $R$, gives the probability of a
# wrong label on a fresh pattern: $\epsilon=\frac1\pi\arccos R$ for a student drawn from the posterior (*Gibbs*), $\frac1\pi\arccos\sqrt R$
# for the vote of all of them (*Bayes*).

# %%
import numpy as np

import replicas as rp
from replicas import simulation

sphere = rp.Perceptron("spherical", task="teacher-student")
binary = rp.Perceptron("binary", task="teacher-student")

# %% [markdown]
# ## Continuous weights: a smooth curve
# At large loads both errors fall as $1/\alpha$; the constants are known to any number of digits.

# %%
loads = np.geomspace(0.1, 1000, 41)
smooth = rp.generalization(sphere, loads)
tail = rp.constants(12, names=["gibbs-asymptote", "bayes-asymptote"])
print(f"alpha eps at alpha = 1000: Gibbs {1000 * smooth.eps_gibbs[-1]:.5f}, Bayes {1000 * smooth.eps_bayes[-1]:.5f}")
print(tail)

# %% [markdown]
# ## Rules of thumb
# The same student taught by Hebb's rule, by the pseudo-inverse, and by maximal stability.

# %%
for rule in ("hebb", "pseudo-inverse", "max-stability"):
    curve = rp.generalization(sphere, [0.5, 2.0, 8.0], rule=rule)
    print(f"{rule:15}", "  ".join(f"{e:.6f}" for e in curve.eps_g))
bayes = rp.generalization(sphere, [0.5, 2.0, 8.0])
print(f"{'Bayes':15}", "  ".join(f"{e:.6f}" for e in bayes.eps_bayes))

# %% [markdown]
# ## Binary weights: a transition
# Below $\alpha_{IT}$ the teacher cannot be told from many others. Above it the teacher alone remains, but an algorithm that follows the
# branch of poor students does not see it until the spinodal: *impossible*, *hard*, *easy*.

# %%
transitions = rp.transitions(binary)
print(transitions)
poor = rp.generalization(binary, np.linspace(0.05, 1.6, 63), branch="typical")
ended = poor.alpha[poor.status != "converged"].min()
print(f"the branch of poor students ends between {poor.alpha[poor.status == 'converged'].max():.3f} and {ended:.3f}")

# %%
import matplotlib.pyplot as plt  # noqa: E402

figure, axes = plt.subplots(figsize=(5.2, 3.2), layout="constrained")
axes.plot(poor.alpha, poor.eps_gibbs, label="Gibbs student")
axes.plot(poor.alpha, poor.eps_bayes, "--", label="Bayes vote")
for value, name in ((transitions.alpha_it.value, r"$\alpha_{IT}$"), (transitions.spinodal.value, "spinodal")):
    axes.axvline(value, color="0.5", linewidth=0.8, linestyle=":")
    axes.annotate(name, (value, 0.47), xytext=(3, 0), textcoords="offset points", fontsize=8)
axes.set(xlabel=r"load $\alpha$", ylabel=r"generalization error $\epsilon$", xlim=(0, 1.65), ylim=(0, 0.5))
axes.legend(frameon=False, loc="lower left")

# %% [markdown]
# ## A single instance
# Approximate message passing on one random problem follows the theory step by step (`rp.state_evolution`), and finds the teacher above the
# spinodal.

# %%
N = 2001
for alpha in (1.2, 1.8):
    problem = simulation.draw_problem(round(alpha * N), N, seed=1, task="teacher-student")
    found = simulation.amp(problem, "binary")
    path = rp.state_evolution(binary, round(alpha * N) / N, "symmetric", 200)
    print(f"alpha = {alpha}: AMP overlap {found.overlap[-1]:.4f}, state evolution {path[-1][0, 0]:.4f}, teacher found: {found.success}")
