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
# # The geometry of solutions
#
# A perceptron with weights $\pm1$ stores random patterns up to $\alpha_c\simeq0.833$. Almost all of its solutions are isolated,
# and by the usual wisdom nothing should find them. Yet simple algorithms do find solutions at loads not far below. They find
# other ones: rare, and surrounded by so many more that they form dense clusters. This is a tour of the evidence.

# %%
import itertools
import math

import matplotlib.pyplot as plt
import numpy as np
from scipy.interpolate import CubicHermiteSpline

import replicas as rp
from replicas import simulation

model = rp.Perceptron(weights="binary")
alpha = 0.55
typical = rp.solve(model, alpha=alpha)
print(f"alpha = {alpha}: {typical.entropy:.6f} N is the logarithm of the number of solutions, of overlap q = {typical.q:.6f}")

# %% [markdown]
# ## Typical solutions are isolated
# Take a typical solution and count those at Hamming distance $dN$ from it. The mean of the logarithm, per weight, is the
# Franz-Parisi entropy $S_{FP}(d)$. Without patterns it would be that of all configurations at that distance,
# $H_2(d)=-d\ln d-(1-d)\ln(1-d)$. With them it is negative up to some $d_*>0$: typically there is *no* other solution closer
# than that. The radius $d_*$ grows with the load.

# %%
distance = np.array([0.003, 0.008, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4])
everything = rp.franz_parisi(model, 0.0, distance)
around = {"typical": rp.franz_parisi(model, alpha, distance)}
for d, entropy, free, status in zip(distance, around["typical"].entropy, everything.entropy, around["typical"].status):
    print(f"d = {d:<5}: S_FP = {entropy:+.6f} of H2 = {free:.6f}", "no solutions" if status == "unphysical" else "")
assert np.all(around["typical"].entropy < everything.entropy)

loads = (0.2, 0.55, 0.7, 0.8)
isolated = {load: rp.isolation(model, load) for load in loads}
for load, one in isolated.items():
    print(f"alpha = {load}: no solution within d = {one.value:.8f} ± {one.error:.0e} of a typical one")
assert all(isolated[a].value < isolated[b].value for a, b in itertools.pairwise(loads))

# %% [markdown]
# The slope comes with the entropy, from the multiplier that holds the distance: eight points are enough for a smooth curve, in
# the figure below.
#
# ## References that are not typical
# Nothing obliges one to stand on a typical solution. The *stochastic perceptron* has a probability for each weight, a mean $m_i$,
# $\sum_im_i^2=q_*N$; its states of low loss at inverse temperature $\beta$ describe a cloud of weights that all do well. As
# $q_*$ grows, the cloud shrinks and the sign of $m$ makes fewer and fewer errors.

# %%
norms = np.array([0.5, 0.7, 0.8, 0.9, 0.95, 0.98])
clouds = rp.solve(rp.StochasticPerceptron(norms, beta=20.0), alpha=alpha)
for q_star, energy, stable in zip(norms, clouds.energy_binarised, clouds.stable):
    print(f"q* = {q_star:.2f}: sign(m) is wrong on a share {energy:.3e} of the patterns;", "stable" if stable else "unstable")
assert np.all(np.diff(clouds.energy_binarised) < 0) and all(clouds.stable)

# %% [markdown]
# Three more places to look from: the sign of a typical solution of the *spherical* perceptron, the sign of such a cloud, and a
# typical binary solution among those of margin 0.1, a minority. In grey, the reference that has most solutions at that
# distance, whatever it is; how that is known comes next.

# %%
farther = np.array([0.08, 0.1, 0.14, 0.2, 0.3, 0.4])
around |= {
    "sphere, signs": rp.franz_parisi(model, alpha, farther, "spherical"),
    "cloud, $q_*=0.7$": rp.franz_parisi(model, alpha, distance[1:], "stochastic", q_star=0.7, beta=20.0),
    "cloud, $q_*=0.9$": rp.franz_parisi(model, alpha, distance[1:], "stochastic", q_star=0.9, beta=20.0),
    "margin 0.1": rp.franz_parisi(model, alpha, distance, reference_kappa=0.1),
}
best = rp.local_entropy(model, alpha, np.union1d(distance, farther))


def draw(ax, d, entropy, slope, label, color, width=1.5):
    """The points and, from their slopes, the curve between them; none where there is no answer."""
    kept = np.isfinite(entropy) & np.isfinite(slope)
    fine = np.geomspace(d[kept][0], d[kept][-1], 300)
    ax.plot(fine, CubicHermiteSpline(d[kept], entropy[kept], slope[kept])(fine), color=color, label=label, linewidth=width)
    ax.plot(d, entropy, "o", color=color, markersize=3)


figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.3), layout="constrained")
for ax in axes:
    draw(ax, best.distance, best.local_entropy, best.slope, "best reference", "0.8", 5)
    for i, (label, one) in enumerate(around.items()):
        draw(ax, one.distance, one.entropy, one.slope, label, f"C{i}")
    ax.axhline(0, color="k", linewidth=0.6)
    ax.set(xlabel="distance $d$", ylabel="entropy of the solutions at $d$")
axes[0].set(xlim=(0, 0.42), ylim=(-0.02, 0.3), title=rf"$\alpha={alpha}$")
axes[1].set(xlim=(0, 0.105), ylim=(-0.02, 0.22), title="small distances")
axes[0].legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 0.07))

for label, one in around.items():
    least, known = one.entropy - best.local_entropy[np.searchsorted(best.distance, one.distance)], np.isfinite(one.entropy)
    assert np.nanmax(least) < 0, label
    print(f"{label:16} S_FP = {one.entropy[known][0]:+.5f} at d = {one.distance[known][0]}, {-np.nanmax(least):.5f} or more below the best")

# %% [markdown]
# The sign of a spherical solution makes errors, and the nearest solutions are far away. A cloud that is tight enough sits in the
# middle of solutions: close to it they are almost as many as around the best reference, where a typical solution has none. So
# does, to a lesser degree, a solution with a margin: a flipped weight shifts the fields by little, and a margin absorbs that.
#
# ## Dense clusters
# To find the best reference, give each configuration $\tilde W$ the weight $\mathcal N(\tilde W,d)^y$, $\mathcal N$ the number of
# solutions at distance $d$. A larger $y$ favours denser surroundings: the internal entropy $S_I$, of solutions around a
# reference, grows; the external one $S_E$, of such references, falls. Where $S_E=0$, at $y_*$, the last references are left. At
# $y=1$ one sees typical solutions, and $S_I+S_E=S_0+H_2(d)$.

# %%
d, powers = 0.05, np.array([1.0, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 300])
tilted = rp.local_entropy(model, alpha, d, powers)
star, endless = (rp.local_entropy(model, alpha, d, y) for y in ("star", "inf"))
pair = typical.entropy + rp.franz_parisi(model, 0.0, d).entropy
print(f"y = 1: S_I + S_E = {tilted.local_entropy[0] + tilted.external_entropy[0]:.12f}, S_0 + H2 = {pair:.12f}")
print(f"y = {star.y:.6f}: S_E = {star.external_entropy:.0e}, S_I = {star.local_entropy:.8f} ± {star.error:.0e}")
print(f"y = inf:  S_E = {endless.external_entropy:.6f}, S_I = {endless.local_entropy:.8f}, {endless.status}")
assert np.all(np.diff(tilted.local_entropy) > 0) and np.all(np.diff(tilted.external_entropy) < 0)
assert star.local_entropy < endless.local_entropy

# %% [markdown]
# $y\to\infty$ promises more solutions than there are: nothing has the surroundings that it describes, $S_E<0$. The harm
# depends on load and distance. On the right $S_I$ where $S_E=0$, against the distance. At small $d$ and moderate load the
# cluster is almost full: the curves touch $H_2$, as if there were no patterns.

# %%
grid = np.geomspace(0.002, 0.25, 12)
dense = {load: rp.local_entropy(model, load, grid) for load in (0.4, 0.6, 0.75, 0.8)}
free = rp.local_entropy(model, 0.0, grid)
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.3), layout="constrained")
left.semilogx(powers, tilted.local_entropy, "o-", markersize=3, label="$S_I$")
left.semilogx(powers, tilted.external_entropy, "o-", markersize=3, label="$S_E$")
left.axvline(star.y, color="k", linestyle=":", linewidth=0.8)
left.axhline(0, color="k", linewidth=0.6)
left.set(xlabel="$y$ (dotted: $y_*$)", ylabel="entropy", title=rf"$\alpha={alpha}$, $d={d}$")
left.legend(frameon=False)
right.plot(grid, free.local_entropy, "k--", linewidth=0.8, label="$H_2(d)$")
for i, (load, one) in enumerate(dense.items()):
    draw(right, grid, one.local_entropy, one.slope, rf"$\alpha={load}$", f"C{i}")
    shown = np.isfinite(one.local_entropy)
    assert np.all(one.local_entropy[shown] < free.local_entropy[shown])
    print(f"alpha = {load}: from d = {grid[shown][0]:.4f}, where S_I / H2 = {(one.local_entropy / free.local_entropy)[shown][0]:.5f}")
right.set(xscale="log", yscale="log", xlabel="distance $d$", ylabel="$S_I$ where $S_E=0$")
right.legend(frameon=False, fontsize=8)

over = rp.local_entropy(model, 0.75, grid, "inf").local_entropy / dense[0.75].local_entropy
print(f"alpha = 0.75: y -> inf overestimates S_I by a factor of up to {np.nanmax(over):.3f}")
print("alpha = 0.8, smallest d:", dense[0.8].status[0], "-", dense[0.8].message[0])

# %% [markdown]
# At $\alpha=0.8$ the curve does not reach small distances: seen from afar there still are regions rich in solutions, but no dense
# core is connected with them. The load $\alpha_U$ at which the curve breaks is where two folds of it meet.
#
# ## How the thresholds are ordered
# A different argument against algorithms: ask for $m$ solutions of one mutual overlap $q_1$. Above $\alpha_{OGP}(m)$ there is an
# overlap at which none exist, a gap that an algorithm whose output moves continuously with the patterns cannot cross. The
# smallest over $m$ counts (here for replica-symmetric clones, an estimate and not a proof).

# %%
breaking, gap, capacity = rp.local_entropy_threshold(model), rp.overlap_gap(model), rp.capacity(model)
for m, value, q1 in zip(gap.m, gap.value, gap.q1):
    print(f"m = {m}: alpha_OGP = {value:.10f}, overlap {q1:.6f}")
smallest = gap.value[gap.minimum][0]
print(f"alpha_U   = {breaking.value:.10f} ± {breaking.error:.0e}: dense clusters break, at d = {breaking.order_parameters['distance']:.4f}")
print(f"alpha_OGP = {smallest:.10f}: overlap gap, m = {gap.m[gap.minimum][0]}")
print(f"alpha_c   = {capacity.value:.10f}: no solutions")
assert breaking.value < smallest < capacity.value

# %% [markdown]
# Between the first threshold and the last there are solutions that, at large $N$, no known algorithm finds: the best ones of the
# literature stop a little below $\alpha_U$.
#
# ## Dense clusters generalise better
# Now a teacher, binary too. Below $\alpha_{IT}$ a typical student that classifies all patterns is not the teacher. The centre of the
# densest cluster resembles the teacher more than a typical solution does, and so do the solutions around it. Bayes' error, of the
# vote of all solutions, stays out of reach. The curves end where the branch does, short of $\alpha_{IT}$.

# %%
student = rp.Perceptron(weights="binary", task="teacher-student")
information = rp.transitions(student).alpha_it.value
many = np.linspace(0.5, information, 40)
usual = rp.generalization(student, alpha=many, branch="typical")
some = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.15, 1.2])
cluster = rp.local_entropy(student, some, 0.02)
at = rp.generalization(student, alpha=some, branch="typical")
figure, ax = plt.subplots(figsize=(4.6, 3.3), layout="constrained")
ax.plot(many, usual.eps_gibbs, "C0", label="typical solution")
ax.plot(some, cluster.eps_solutions, "C1s--", markersize=3, label="solutions of the cluster")
ax.plot(some, cluster.eps_reference, "C1o-", markersize=3, label="its centre, $d=0.02$")
ax.plot(many, usual.eps_bayes, "k:", label="Bayes")
ax.set(xlabel=r"load $\alpha$", ylabel=r"generalization error $\epsilon$")
ax.legend(frameon=False, fontsize=8)
reached = np.isfinite(cluster.eps_reference)
for i in np.flatnonzero(reached)[::3]:
    print(f"alpha = {some[i]:.2f}: typical {at.eps_gibbs[i]:.6f}, centre {cluster.eps_reference[i]:.6f}, Bayes {at.eps_bayes[i]:.6f}")
for i in np.flatnonzero(~reached):
    print(f"alpha = {some[i]:.2f}: {cluster.status[i]}, {cluster.message[i]}")
print(f"alpha_IT = {information:.10f}")
assert np.all((at.eps_bayes < cluster.eps_reference)[reached] & (cluster.eps_reference < cluster.eps_solutions)[reached])
assert np.all(cluster.eps_solutions[reached] < at.eps_gibbs[reached])

# %% [markdown]
# ## A model where bounds are at hand
# The symmetric perceptron, $|u|\le\kappa$. The mean number of pairs of its solutions is known exactly, and by Jensen's inequality
# bounds $S_{FP}$ from above; conditioned on the margins of the reference the bound is better. Neither is the answer, which lies
# below both, except at $d=1/2$.

# %%
window = rp.Perceptron(weights="binary", kappa=1.0, likelihood="window")
places = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.5])
quenched, jensen, first = (rp.franz_parisi(window, 1.0, places, average=a).entropy for a in ("quenched", "jensen", "first-moment"))
for row in zip(places, quenched, jensen, first):
    print("d = {:.2f}: quenched {:+.6f}, conditioned {:+.6f}, first moment {:+.6f}".format(*row))
assert np.all(quenched[:-1] < jensen[:-1]) and np.all(jensen[:-1] < first[:-1])
assert math.isclose(quenched[-1], first[-1], abs_tol=1e-10)  # all S_0: errors of 1e-12

# %% [markdown]
# ## Where the equations come from
# None of this was typed in. Two groups of replicas, those of the reference and those that are constrained, are derived from the
# definition, and each step is checked by numbers.

# %%
derivation = rp.derive(model, quantity="franz-parisi")
for step in (*derivation.steps[:3], derivation.steps[-1]):
    print(step.title, "-", step.latex(), "\n")
checks = derivation.check()
print(len(derivation), "steps, all checked:", bool(checks))

# %% [markdown]
# ## Twenty weights
# All solutions of a small problem, and from each of them all others, counted by distance. At $N=20$ even without patterns the
# binomial $\ln\binom N{dN}/N$ falls short of $H_2(d)$; that known difference is added to the theory. One sample has scatter,
# thirty have a mean. (Empty shells have no logarithm: distances are kept at which less than one in a hundred is empty. The
# radius $d_*$ is less than $1/N$: isolation is invisible at this size.)

# %%
N, P, samples, shells = 20, 5, 30, np.arange(2, 13, 2)
counted = [
    simulation.count_shells(simulation.draw_patterns(P, N, seed=1, sample=s, kind="gaussian"), distances=shells.tolist())
    for s in range(samples)
]
entropies = np.array([one.around_references().mean for one in counted])
empty = np.mean([one.around_references().empty for one in counted], axis=0)
mean, stderr = entropies.mean(axis=0), entropies.std(axis=0, ddof=1) / math.sqrt(samples)
theory = rp.franz_parisi(model, P / N, shells / N)
binomial = np.array([math.log(math.comb(N, D)) / N for D in shells.tolist()])
finite = theory.entropy + binomial - rp.franz_parisi(model, 0.0, shells / N).entropy
figure, ax = plt.subplots(figsize=(4.6, 3.3), layout="constrained")
ax.plot(shells / N, binomial, "k--", linewidth=0.8, label="all configurations")
ax.plot(shells / N, finite, "C0", label="theory, corrected")
ax.plot(shells / N, entropies[0], "C1x", label="one sample")
ax.errorbar(shells / N, mean, stderr, fmt="ko", markersize=4, label=f"mean of {samples}")
ax.set(xlabel="distance $d$", ylabel="entropy around a solution", title=f"$N={N}$, $P={P}$")
ax.legend(frameon=False, fontsize=8)
for D, *row in zip(shells, mean, stderr, finite, binomial):
    print(f"d = {D / N:.1f}: " + "counted {:.4f} ± {:.4f}, theory {:.4f}, without patterns {:.4f}".format(*row))
verdict = rp.compare(finite[2], mean[2], stderr[2])
print("at d = 0.3:", verdict.text)
assert np.all(empty < 0.01) and isolated[0.55].value < 1 / N
