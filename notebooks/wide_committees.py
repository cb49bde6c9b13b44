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
# # Infinitely wide and fully connected committees
#
# Two limits of the committee machine $y=\mathrm{sign}\sum_jv_j\,g(h_j)$ that can be solved. With disjoint inputs and
# $K\to\infty$ the output is a Gaussian field, whatever the activation $g$. With shared inputs the units are exchangeable, and
# a student has to break that symmetry before it can learn.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp

import replicas as rp
from replicas import simulation

model = rp.TreeCommittee(math.inf, "spherical", "relu")
model  # noqa: B018 - a notebook shows the definition of Z

# %% [markdown]
# ## All there is to know of an activation
# Two replicas whose weights overlap by $q$ have outputs of covariance $C(q)=\Delta(q)-\Delta(0)$, where
# $\Delta(q)=\mathbb E\,g(u_1)g(u_2)$ at correlation $q$. The derivation finds $\Delta$ in closed form where there is one, and
# checks it by numbers like any other step. From there on the machine is a perceptron whose fields have the covariance $C(q)$.

# %%
derivation = rp.derive(model)
kernel_step = next(step for step in derivation.steps if step.title == "Covariance of the units")
print(len(derivation), "steps. Of this one:", kernel_step.check())
print(kernel_step.latex())
print(derivation.steps[-8].title, derivation.steps[-8].latex(), sep="\n")

# %% [markdown]
# At capacity $q\to1$. What counts there is the slope of the kernel: outputs decorrelate by $C'(1)\,(1-q)$ out of $C(1)$, against
# $1-q$ for the perceptron, which stores 2 patterns a weight. Hence the symmetric capacity $2\,C'(1)/C(1)$, for ReLU
# $2/(1-1/\pi)$. A jump of $g$ is a vertical tangent: towards it, on the right, the capacity grows without bound, with one step
# of symmetry breaking much more slowly.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.2), layout="constrained")
q = 1 - np.linspace(1, 0, 301) ** 3
for name in ("erf", "relu", "quadratic", "sign"):
    values = rp.TreeCommittee(math.inf, "spherical", name).kernel.values(q)
    left.plot(q, values[0] / values[0, -1], label=name)
left.plot((0, 1), (0, 1), "k:", linewidth=0.8)
left.set(xlabel="overlap $q$ of the weights", ylabel="$C(q)/C(1)$, of the outputs", xlim=(0, 1), ylim=(0, 1))
left.legend(frameon=False)

steepness = np.array([0.3, 1.0, 3.0, 10.0, 30.0])
steep = [rp.TreeCommittee(math.inf, "spherical", sp.erf(sp.Float(b) * rp.field)) for b in steepness]
for ansatz, label in (("rs", "symmetric"), ("1rsb", "one step")):
    right.loglog(steepness, [rp.capacity(one, ansatz).value for one in steep], "o-", markersize=4, label=label)
right.axhline(2, color="k", linewidth=0.6)
right.set(xlabel=r"$b$ of $g(u)=\mathrm{erf}(bu)$", ylabel=r"capacity $\alpha_c$", ylim=(1.7, 60))
right.set_xticks(steepness, [f"{x:g}" for x in steepness])
right.set_yticks((2, 5, 10, 20, 50), ("2", "5", "10", "20", "50"))
right.minorticks_off()
right.legend(frameon=False)

# %% [markdown]
# ## Four answers for the capacity of ReLU
# The symmetric saddle is unstable from a load far below its capacity on. Each step of breaking lowers the capacity; the
# literature has 2.934 and 2.6643 for the first two.

# %%
print(f"unstable from alpha = {rp.at_line(model).value:.10f}; 2/(1 - 1/pi) = {2 / (1 - 1 / math.pi):.12f}")
relu = {ansatz: rp.capacity(model, ansatz) for ansatz in ("rs", "1rsb", "krsb", "frsb")}
for label, one in zip(("symmetric", "one step", "two steps", "full"), relu.values()):
    print(f"{label:10} {one.value:.12f} ± {one.error:.0e}")

# %% [markdown]
# ## Two limits that do not commute
# All of these are statements about $K\to\infty$ first, then $q\to1$. For sign units, where $C(q)=\frac2\pi\arcsin q$ has
# infinite slope, that order gives an infinite capacity. At any finite $K$ it is finite; symmetric, it grows like
# $\sqrt{72K/\pi}$ (broken, the literature says, like $\sqrt{\ln K}$: Monasson and Zecchina 1995). At a given load, where $q<1$,
# there is no such conflict: the entropy converges.

# %%
jumping = rp.TreeCommittee(math.inf, "spherical", "sign")
print("K = inf:", rp.capacity(jumping).status, rp.capacity(jumping).value)
limit = rp.solve(jumping, alpha=1.0).entropy
for K in (3, 5):
    finite = rp.TreeCommittee(K, "spherical")
    entropy = rp.solve(finite, alpha=1.0).entropy
    print(f"K = {K}: capacity {rp.capacity(finite).value:.6f}; entropy at alpha = 1 less that of K = inf: {entropy - limit:+.6f}")

# %% [markdown]
# ## An activation of your own
# Any square-integrable SymPy expression in `rp.field`. For $g(u)=\sin bu$ a line of algebra gives
# $\Delta(q)=e^{-b^2}\sinh(b^2q)$ and the symmetric capacity $2b^2\coth b^2$: the library, which is told neither, agrees.

# %%
b = sp.Rational(3, 2)
wave = rp.TreeCommittee(math.inf, "spherical", sp.sin(b * rp.field))
own = rp.capacity(wave)
by_hand = float(2 * b**2 * sp.coth(b**2))
print(f"symmetric {own.value:.14f} ± {own.error:.0e}, by hand {by_hand:.14f}")
print(f"one step  {rp.capacity(wave, '1rsb').value:.14f}")

# %% [markdown]
# ## Even activations
# If $g$ is even, a solution $W$ and its mirror image $-W$ cannot be told apart, $C'(0)=0$, and $q=0$ solves the symmetric
# equations at every load. For $g=h^2$ it is the only one up to $\alpha=\pi/4$, and unstable beyond. Of two symmetric saddles
# the one of *smaller* entropy counts, because maxima over $n(n-1)/2$ overlaps become minima as $n\to0$.

# %%
even = rp.TreeCommittee(math.inf, "spherical", "quadratic")
print(f"q = 0 is unstable from {rp.at_line(even).value:.15f}, pi/4 = {math.pi / 4:.15f}")
found = rp.solve(even, alpha=[0.5, 1.0, 2.0], branch="all")
for alpha, branch, overlap, entropy, counts in zip(found.alpha, found.branch, found.q, found.entropy, found.dominant):
    print(f"alpha = {alpha}: {branch:7} q = {overlap:.6f}, entropy {entropy:.6f}", "<- counts" if counts else "")

# %% [markdown]
# ## Shared inputs: the plateau
# $K$ sign units that all see the same $N$ inputs learn from a teacher of the same kind, $\alpha=P/(NK)$. With few patterns
# every unit of the student resembles all of the teacher's alike. For $K\to\infty$ this state is reached with $P$ of order $N$,
# at $\alpha=0^+$, and from then on more patterns do not help: the error stays at $\arccos(2/\pi)/\pi$. At some load specialised
# students appear, and further on they take over.

# %%
crowd = rp.Committee(math.inf, "spherical", task="teacher-student")
jump = rp.transitions(crowd)
plateau = rp.generalization(crowd, alpha=1.0).eps_gibbs
print(f"plateau {plateau:.12f}, arccos(2/pi)/pi = {math.acos(2 / math.pi) / math.pi:.12f}")
print(f"specialised students exist from {jump.spinodal.value:.10f} ± {jump.spinodal.error:.0e}")
print(f"and dominate from {jump.alpha_it.value:.10f} ± {jump.alpha_it.error:.0e}")
print(f"which is {jump.alpha_it.value - 7.65:+.3f} from 7.65, the value quoted elsewhere:")
at = rp.solve(crowd, alpha=[7.65, 7.7], branch="all")
for alpha, branch, overlap, entropy in zip(at.alpha, at.branch, at.q, at.entropy):
    print(f"  alpha = {alpha}: {branch:21} R = {overlap:.4f}, entropy {entropy:.6f}")

# %% [markdown]
# A student of a teacher is in the state of *largest* entropy, and at 7.65 that is still the plateau. $R=0$ remains locally
# stable at every load: an algorithm that starts without knowledge stays there.
#
# ## Two units
# A $2\times2$ matrix of overlaps with the teacher: $R$ of a unit with its own, $R_\times$ with the other. Spherical weights
# specialise continuously, binary ones jump from the plateau to the teacher itself.

# %%
pair = rp.Committee(2, "spherical", task="teacher-student")
specialisation = rp.transitions(pair).specialisation
print(f"spherical: alpha = {specialisation.value:.12f} ± {specialisation.error:.0e}, P/N = {2 * specialisation.value:.4f}")
print(rp.transitions(rp.Committee(2, "binary", task="teacher-student")))

# %% [markdown]
# Relabelling the units of a solution gives a solution. Above the transition there are $K!$ equivalent states, and chance
# decides which one an algorithm falls into. Message passing on four problems, uninformed: which of the student's units took
# the role of the teacher's first and second. (The $K!$ states add $\ln(K!)/N$ to the entropy, which vanishes.)

# %%
runs = [simulation.learn_committee(400, 2, 3.0, seed=1, sample=s, iterations=40) for s in range(4)]
for run in runs:
    print("roles", run.relabelling, "overlaps after relabelling", run.overlap[-1].round(3).tolist())

# %% [markdown]
# ## State evolution against message passing
# For $N\to\infty$ the overlaps of message passing follow `rp.state_evolution`, a map of $2\times2$ matrices, step by step. Both
# start from units that know their counterparts a little, $R=0.3$. Below the transition this is forgotten and the units become
# alike; above it they part. On the right the error on fresh patterns (a tie is a third label), against the learning curve.

# %%
N, samples, steps, start = 1000, 4, 16, 0.3
options = {"seed": 2, "start": start, "iterations": steps, "tolerance": 1e-12, "fresh": 1500}
loads, errors = (0.8, 2.0), []
figure, axes = plt.subplots(1, 3, figsize=(10.8, 3.2), layout="constrained")
for ax, alpha in zip(axes, loads):
    learnt = [simulation.learn_committee(N, 2, alpha, sample=s, **options) for s in range(samples)]
    # in the order in which the units started, whatever the relabelling that fits their last overlaps best
    overlap = np.array([run.overlap[:, np.argsort(run.relabelling)] for run in learnt])
    theory = np.array(rp.state_evolution(pair, alpha, start=start * np.eye(2), steps=steps))
    for label, other, color in (("$R$", 0, "C0"), (r"$R_\times$", 1, "C1")):
        values = (overlap[:, :, 0, other] + overlap[:, :, 1, 1 - other]) / 2
        mean, stderr = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(samples)
        ax.plot(theory[:, 0, other], color=color, label=label)
        ax.errorbar(np.arange(steps + 1), mean, stderr, fmt="o", color=color, markersize=3)
        print(f"alpha = {alpha}, {label}: theory {theory[-1, 0, other]:.4f}, N = {N} {mean[-1]:.4f} ± {stderr[-1]:.4f}")
    exam = np.array([run.error[-1] for run in learnt])
    errors.append((exam.mean(), exam.std(ddof=1) / np.sqrt(samples)))
    verdict = rp.compare(float(rp.generalization(pair, alpha=alpha).eps_bayes), *errors[-1])
    print(f"alpha = {alpha}, Bayes error: {verdict.text}")
    ax.set(xlabel="step", ylabel="overlap with the teacher", title=rf"$\alpha={alpha}$", ylim=(-0.05, 1))
axes[0].legend(frameon=False)

edge = specialisation.value
for branch, grid, style, label in (
    ("permutation-symmetric", np.linspace(0.1, edge, 15), "C0-", "units alike"),
    ("permutation-symmetric", np.linspace(edge, 3.0, 15), "C0--", "the same, unstable"),
    ("specialised", edge + (3.0 - edge) * np.linspace(0.07, 1, 15) ** 2, "C1-", "specialised"),
):
    axes[2].plot(grid, rp.generalization(pair, alpha=grid, branch=branch).eps_bayes, style, label=label)
axes[2].errorbar(loads, *np.transpose(errors), fmt="ko", markersize=4, label="message passing")
axes[2].set(xlabel=r"load $\alpha$", ylabel=r"error $\epsilon_{\mathrm{Bayes}}$")
axes[2].legend(frameon=False)
