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
# # From a model to a number, and to a test of it
#
# A model of `replicas` is its partition function. From it the package *derives* the replica-symmetric theory, checks each
# step of the derivation numerically, solves the equations with an error estimate, and confronts the answer with finite $N$.
# The same questions can be asked in a shell: `replicas capacity --weights binary`.

# %%
import numpy as np
import sympy as sp

import replicas as rp
from replicas import simulation

model = rp.Perceptron(weights="binary", kappa=0.0)
model  # noqa: B018 - a notebook shows the definition of Z

# %% [markdown]
# ## The derivation
# From the replicated, pattern-averaged $Z^n$ to the free entropy, its saddle point and its stability. Every step carries a
# check that really runs: explicit replicas at integer $n$, extrapolation for $n\to0$, finite differences at the end.

# %%
derivation = rp.derive(model)
for step in derivation.steps:
    print(f"{step.number:3}. {step.title}")
checks = derivation.check()
print(f"{sum(check.passed for check in checks)} of {len(checks)} checks agree")

# %% [markdown]
# ## A saddle point
# The free entropy per weight is the entropy of the solutions here. Each number stands with a bound on its error; `residual`
# is that of the equations themselves.

# %%
point = rp.solve(model, alpha=0.6)
print(point)

# %% [markdown]
# An array of loads gives a curve. It is dashed where the entropy is negative: no solutions, past the capacity.

# %%
curve = rp.solve(model, alpha=np.linspace(0, 1.2, 61))
axes = curve.plot(y="entropy")

# %% [markdown]
# ## The capacity, and what it is not
# The entropy of binary weights vanishes before the solutions contract to a point. The limit $q\to1$, which is the capacity
# for the sphere, gives $4/\pi$ here, and says itself that it is not the capacity.

# %%
capacity = rp.capacity(model)
naive = rp.capacity(model, criterion="q-to-1")
for estimate in (capacity, naive, rp.at_line(model)):
    print(f"{estimate.quantity:9} {estimate.value:.12f} ± {estimate.error:.0e}  {estimate.statement}")

# %% [markdown]
# ## A model of your own
# Any positive likelihood of the local field, here the *reversed wedge*: a pattern is stored if $u>\gamma$ or $-\gamma<u<0$.
# It goes through the same derivation and the same solver.

# %%
gamma = sp.Rational(1, 2)
u = rp.field
wedge = rp.Likelihood(sp.Piecewise((1, u > gamma), (0, u > 0), (1, u > -gamma), (0, True)))
wedged = rp.Perceptron(weights="binary", likelihood=wedge)
wedge_capacity = rp.capacity(wedged)
wedge_checks = rp.derive(wedged).check()
print(wedge_capacity)
print(f"{sum(check.passed for check in wedge_checks)} of {len(wedge_checks)} checks of its derivation agree")

# %% [markdown]
# ## A small phase diagram
# Spherical weights: the capacity, and the de Almeida–Thouless line below which the replica-symmetric saddle is stable. For
# $\kappa<0$ the capacity lies above the line and is only an upper bound.

# %%
kappa = np.linspace(-1.5, 1.0, 26)
spherical = rp.Perceptron(weights="spherical")
threshold = rp.capacity(spherical, kappa=kappa)
instability = rp.at_line(spherical, kappa=kappa[kappa < -0.05])

import matplotlib.pyplot as plt  # noqa: E402

figure, axes = plt.subplots(figsize=(4.4, 3.1), layout="constrained")
axes.fill_between(kappa, threshold.value, 100, color="0.9", linewidth=0)
axes.semilogy(kappa, threshold.value, label=r"capacity $\alpha_c(\kappa)$")
axes.semilogy(instability.kappa, instability.value, ":", label="AT line")
axes.set(xlabel=r"margin $\kappa$", ylabel=r"load $\alpha$", ylim=(0.3, 60))
axes.text(0.3, 10, "no solutions")
axes.legend(frameon=False)

# %% [markdown]
# ## Learning a rule
# A binary student of a binary teacher: perfect learning takes over at $\alpha_{IT}$, but the poor branch survives up to its
# spinodal. Where branches coexist they are all given, and the dominant one is labelled.

# %%
student = rp.Perceptron(weights="binary", task="teacher-student")
transitions = rp.transitions(student)
print(transitions)
print(rp.generalization(student, alpha=1.35))

# %% [markdown]
# ## More digits, and a proof
# The same equations in many digits; with python-flint, a ball that provably contains the exact value.

# %%
print(rp.capacity(model, digits=50).value)
proved = rp.capacity(model, digits=30, certified=True)
print(proved.value, "±", proved.error)
print(proved.statement)

# %% [markdown]
# ## Against finite N
# All $2^N$ weight vectors are tried, for random patterns at $\alpha=1/3$: the entropy of the solutions, extrapolated in $1/N$
# from two sizes, is compared with the theory.

# %%
samples, sizes = 1500, (15, 21)
means, errors = [], []
for N in sizes:
    counts = [simulation.count_solutions(simulation.draw_patterns(N // 3, N, seed=1, sample=i)) for i in range(samples)]
    entropies = np.log([count for count in counts if count]) / N
    print(f"N = {N}: {counts.count(0)} of {samples} samples without solutions")
    means.append(entropies.mean())
    errors.append(entropies.std(ddof=1) / np.sqrt(entropies.size))
weight = np.array([-sizes[0], sizes[1]]) / (sizes[1] - sizes[0])  # removes the term in 1/N
measured, stderr = weight @ means, np.hypot(*(weight * errors))
predicted = rp.solve(model, alpha=1 / 3).entropy
verdict = rp.compare(predicted, measured, stderr)
print(f"theory {predicted:.5f}, enumeration {measured:.5f} ± {stderr:.5f}: {verdict.text}")

# %% [markdown]
# ## Taking it elsewhere
# Every result is plain data: `to_dict`, `to_json` (all digits, as decimal strings), `to_xarray` for curves; a derivation has
# `to_latex`, `to_markdown`, `to_html`. `replicas atlas` puts all of this on one page.

# %%
print(capacity.to_json())
