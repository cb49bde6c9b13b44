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
# $2/(1-1/\pi)$. A jump of $g$ is a vertical tangent.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.2), layout="constrained")
q = 1 - np.linspace(1, 0, 301) ** 3
for name in ("erf", "relu", "quadratic", "sign"):
    values = rp.TreeCommittee(math.inf, "spherical", name).kernel.values(q)
    left.plot(q, values[0] / values[0, -1], label=name)
left.plot((0, 1), (0, 1), "k:", linewidth=0.8)
left.set(xlabel="overlap $q$ of the weights", ylabel="$C(q)/C(1)$, of the outputs", xlim=(0, 1), ylim=(0, 1))
left.legend(frameon=False)

steepness = np.array([0.1, 0.3, 1.0, 3.0, 10.0, 30.0])
steep = [rp.TreeCommittee(math.inf, "spherical", sp.erf(sp.Float(b) * rp.field)) for b in steepness]
for ansatz, label in (("rs", "symmetric"), ("1rsb", "one step")):
    right.loglog(steepness, [rp.capacity(one, ansatz).value for one in steep], "o-", markersize=4, label=label)
right.axhline(2, color="k", linewidth=0.6)
right.set(xlabel=r"$b$ of $g(u)=\mathrm{erf}(bu)$", ylabel=r"capacity $\alpha_c$", ylim=(1.7, 60))
right.legend(frameon=False)

# %% [markdown]
# ## Four answers for the capacity of ReLU
# The symmetric saddle is unstable from a load far below its capacity on. Each step of breaking lowers the capacity; the
# literature has 2.934 and 2.6643 for the first two.

# %%
print(f"unstable from alpha = {rp.at_line(model).value:.10f}; 2/(1 - 1/pi) = {2 / (1 - 1 / math.pi):.12f}")
relu = {ansatz: rp.capacity(model, ansatz) for ansatz in ("rs", "1rsb", "krsb", "frsb")}
for (ansatz, one), label in zip(relu.items(), ("symmetric", "one step", "two steps", "full")):
    print(f"{label:10} {one.value:.12f} ± {one.error:.0e}")

# %% [markdown]
# ## Two limits that do not commute
# All of these are statements about $K\to\infty$ first, then $q\to1$. For sign units, where $C(q)=\frac2\pi\arcsin q$ has
# infinite slope, that order gives an infinite capacity. At any finite $K$ it is finite, since $1-q$ gets smaller than $1/K$;
# symmetric, it grows like $\sqrt{72K/\pi}$ (broken, the literature says, like $\sqrt{\ln K}$: Monasson and Zecchina 1995).
# Below capacity the limits agree: the symmetric entropy at a given load converges like $1/K$.

# %%
jumping = rp.TreeCommittee(math.inf, "spherical", "sign")
print("K = inf:", rp.capacity(jumping).status, rp.capacity(jumping).value)
limit = rp.solve(jumping, alpha=2.0).free_entropy
for K in (3, 5, 7):
    finite = rp.TreeCommittee(K, "spherical")
    phi = rp.solve(finite, alpha=2.0).free_entropy
    print(f"K = {K}: capacity {rp.capacity(finite).value:.6f}; entropy at alpha = 2 {phi:.6f}, K x deficit {K * (limit - phi):.4f}")
print(f"K = inf: entropy at alpha = 2 {limit:.6f}")

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
# equations at every load. For $g=h^2$ it is the typical state up to $\alpha=\pi/4$ and unstable beyond; branches
# are named, and the one that counts is marked.

# %%
even = rp.TreeCommittee(math.inf, "spherical", "quadratic")
print(f"q = 0 is unstable from {rp.at_line(even).value:.15f}, pi/4 = {math.pi / 4:.15f}")
branches = rp.solve(even, alpha=[0.5, 1.0, 2.0], branch="all")
for p in branches.points():
    print(f"alpha = {p['alpha']}: {p['branch']:8} q = {p['q']:.6f}, entropy {p['entropy']:.6f}, dominant {p['dominant']}, stable {p['stable']}")

# %% [markdown]
# ## Shared inputs: the plateau
# $K$ sign units that all see the same $N$ inputs learn from a teacher of the same kind, $\alpha=P/(NK)$. With few patterns
# every unit of the student resembles all of the teacher's alike. For $K\to\infty$ this state is complete at $\alpha=0^+$, and from then on
# more patterns do not help: the error stays at $\arccos(2/\pi)/\pi$. At some load specialised students appear, and further on they take over.

# %%
crowd = rp.Committee(math.inf, "spherical", task="teacher-student")
jump = rp.transitions(crowd)
plateau = rp.generalization(crowd, alpha=1.0).eps_gibbs
print(f"plateau {plateau:.12f}, arccos(2/pi)/pi = {math.acos(2 / math.pi) / math.pi:.12f}")
print(f"specialised students exist from {jump.spinodal.value:.10f} ± {jump.spinodal.error:.0e}")
print(f"and dominate from               {jump.alpha_it.value:.10f} ± {jump.alpha_it.error:.0e}: {jump.alpha_it.value - 7.65:+.3f} from 7.65, quoted elsewhere")
for p in rp.solve(crowd, alpha=[7.65, 7.7], branch="all").points():
    print(f"  alpha = {p['alpha']}: {p['branch']:21} q = {p['q']:.4f}, entropy {p['entropy']:.6f}")

# %% [markdown]
# At 7.65 the specialised state still has the smaller entropy. $R=0$ remains locally stable at every load: an algorithm
# that starts without knowledge stays on the plateau.
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
runs = [simulation.learn_committee(600, 2, 3.0, seed=1, sample=s, iterations=60) for s in range(4)]
for run in runs:
    print("roles", run.relabelling, "overlaps after relabelling", run.overlap[-1].round(3).tolist())

# %% [markdown]
# ## State evolution against message passing
# In the limit $N\to\infty$ the overlaps of message passing follow `rp.state_evolution`, a map of $2\times2$ matrices, step by
# step. Both start from units that know their counterparts a little, $R=0.3$. Below the transition this is forgotten and the units become
# alike; above it they part. The last panel has the error on fresh patterns (a tie is a third label) at the end of the runs.

# %%
N, samples, steps, start = 1000, 4, 24, 0.3
loads = (0.8, 2.0)
figure, axes = plt.subplots(1, 3, figsize=(10.8, 3.2), layout="constrained")
errors, verdicts = [], []
for ax, alpha in zip(axes, loads):
    learnt = [
        simulation.learn_committee(N, 2, alpha, seed=2, sample=s, start=start, iterations=steps, tolerance=1e-12, fresh=4000)
        for s in range(samples)
    ]
    overlap = np.array([run.overlap for run in learnt])
    measured = {"$R$": (overlap[:, :, 0, 0] + overlap[:, :, 1, 1]) / 2, r"$R_\times$": (overlap[:, :, 0, 1] + overlap[:, :, 1, 0]) / 2}
    theory = np.array(rp.state_evolution(pair, alpha, start=start * np.eye(2), steps=steps))
    for (label, values), predicted, color in zip(measured.items(), (theory[:, 0, 0], theory[:, 0, 1]), ("C0", "C1")):
        ax.plot(predicted, color=color, label=label)
        stderr = values.std(axis=0, ddof=1) / np.sqrt(samples)
        ax.errorbar(np.arange(steps + 1), values.mean(axis=0), stderr, fmt="o", color=color, markersize=3)
        print(f"alpha = {alpha}, {label}: theory {predicted[-1]:.4f}, measured {values.mean(axis=0)[-1]:.4f} ± {stderr[-1]:.4f}")
    exam = [run.error[-1] for run in learnt]
    errors.append((np.mean(exam), np.std(exam, ddof=1) / np.sqrt(samples)))
    verdicts.append(rp.compare(float(rp.generalization(pair, alpha=alpha).eps_bayes), *errors[-1]))
    ax.set(xlabel="step", ylabel="overlap with the teacher", title=rf"$\alpha={alpha}$", ylim=(-0.05, 1))
axes[0].legend(frameon=False)
for branch, style in (("permutation-symmetric", "--"), ("specialised", "-")):
    grid = np.linspace(0.1, 3.0, 30) if branch != "specialised" else specialisation.value + 2.0 * np.linspace(0.01, 1, 20) ** 2
    axes[2].plot(grid, rp.generalization(pair, alpha=grid, branch=branch).eps_bayes, style, color="C0", label=branch)
axes[2].errorbar(loads, *np.transpose(errors), fmt="ko", markersize=4, label="message passing")
axes[2].axvline(specialisation.value, color="0.7", linewidth=0.8)
axes[2].set(xlabel=r"load $\alpha$", ylabel=r"$\epsilon_{\mathrm{Bayes}}$")
axes[2].legend(frameon=False)
for alpha, verdict in zip(loads, verdicts):
    print(f"Bayes error at alpha = {alpha}: {verdict.text}")
