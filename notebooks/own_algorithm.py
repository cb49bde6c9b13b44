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
# # An algorithm of your own against theory
#
# Theory says up to which load a perceptron with weights $\pm1$ has solutions, how many, and where dense clusters of them end. It
# does not say which algorithm finds one. Here a learning rule of six lines is measured, compared with the ones of the package on
# the very same instances, and confronted with theory.

# %%
import matplotlib.pyplot as plt
import numpy as np

import replicas as rp
from replicas import simulation

model = rp.Perceptron(weights="binary")
capacity = rp.capacity(model)
clusters = rp.local_entropy_threshold(model)
print(f"solutions end at alpha_c = {capacity.value:.6f}, their dense clusters at alpha_U = {clusters.value:.6f}")

# %% [markdown]
# ## One instance
# A problem is drawn once, from a seed, and any algorithm can run on it. The result says whether *every* pattern is satisfied by
# weights $\pm1$; it is checked by the package, not by the algorithm.

# %%
problem = simulation.draw_problem(P=301, N=501, seed=7)
for name in ("clipped-hebb", "sbpi", "reinforced-tap", "entropic-monte-carlo"):
    result = simulation.run(problem, name, rng=1)
    print(f"{name:22} {result.status:8} after {result.steps:5d} steps, {result.errors:3d} of {problem.P} patterns violated")

# %% [markdown]
# ## Your own
# Any function of the problem, a random generator and a budget that returns weights is an algorithm. This one is the oldest
# idea: keep an odd integer behind every weight, let the perceptron rule move it by two at each mistake, and use its sign.


# %%
def clipped_perceptron(problem, rng, budget):
    hidden = 2 * rng.integers(0, 2, problem.N) - 1
    xi = problem.patterns * problem.labels[:, None]
    for _ in range(budget):
        for mu in rng.permutation(problem.P):
            if xi[mu] @ np.sign(hidden) < 0:
                hidden += 2 * xi[mu].astype(hidden.dtype)
    return np.sign(hidden)


loads = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
mine = simulation.success_curve(clipped_perceptron, 201, loads, instances=20, seed=3, budget=40)
print(mine)

# %% [markdown]
# ## The verdict
# The threshold is the load where half of the instances are solved, from a probit fit with a bootstrap error. No algorithm passes
# $\alpha_c$: a threshold significantly above it would be reported as a disagreement, of the code with the theory or with itself.

# %%
verdict = rp.compare(capacity, mine)
print(verdict.text)

# %% [markdown]
# ## The others, on the same instances
# Two curves of the same seed, $N$ and loads see the same instances. SBPI is the rule above with one more thing: a pattern that is
# only just satisfied now and then moves the integers that it rests on away from their flip. That is enough to go from half of the
# capacity to almost nine tenths of it.

# %%
higher = np.array([0.4, 0.5, 0.6, 0.7, 0.8])
curves = {"clipped perceptron": mine}
for name in ("sbpi", "reinforced-tap", "annealed-stochastic-perceptron"):
    curves[name] = simulation.success_curve(name, 201, higher, instances=20, seed=3)
for name, curve in curves.items():
    print(f"{name:32} {curve.threshold!s:70} {rp.compare(capacity, curve).text}")

# %%
figure, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
for name, curve in curves.items():
    curve.plot(ax, label=name)
ax.axvline(clusters.value, color="0.5", ls="--", lw=1, label=r"end of dense clusters, $\alpha_U$")
ax.axvline(capacity.value, color="k", lw=1, label=r"end of solutions, $\alpha_c$")
figure.legend(loc="outside right upper", frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# The curves are at $N=201$, where the transition from solved to unsolved is smeared over a tenth of the load; `N=1001` and more
# instances sharpen it. `replicas simulate --algorithm sbpi --N 1001 --alpha 0.6:0.8:0.05 --compare` is the same from the shell.
#
# ## Learning from a teacher
# With labels given by a teacher, what counts is how well the student generalizes. Theory has the error of a typical solution
# (Gibbs) and the best possible one (Bayes). Algorithms end in dense clusters, nearer to the teacher than typical solutions are.

# %%
alpha = 0.6
theory = rp.generalization(rp.Perceptron(weights="binary", task="teacher-student"), alpha=alpha)
learnt = simulation.success_curve("reinforced-tap", 401, [alpha], instances=40, seed=5, task="teacher-student")
R = learnt.overlap[0][np.isfinite(learnt.steps[0])]
error = np.arccos(R) / np.pi
mean, stderr = error.mean(), error.std(ddof=1) / np.sqrt(R.size)
gibbs, bayes = float(np.ravel(theory.eps_gibbs)[0]), float(np.ravel(theory.eps_bayes)[0])
print(f"{R.size} of 40 instances solved, generalization error {mean:.4f} ± {stderr:.4f}")
print(f"typical solutions {gibbs:.4f}, Bayes-optimal {bayes:.4f}")
assert bayes < mean < gibbs
