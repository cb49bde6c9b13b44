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
# # Your own likelihood in ten lines
#
# A model is weights and a likelihood of the local field $u=W\cdot\xi/\sqrt N$: any positive SymPy expression in `rp.field`. It goes through
# the same derivation, the same solver and the same checks as the models that come with the package. No equation is typed in.

# %%
import numpy as np
import sympy as sp

import replicas as rp

u = rp.field
noisy = rp.Perceptron(
    weights=rp.Discrete([-3, -1, 1, 3]),
    likelihood=rp.Likelihood(sp.Heaviside(u - sp.Rational(1, 5)) + sp.Heaviside(-u - 2)),
)
noisy  # noqa: B018 - a notebook shows the definition of Z

# %% [markdown]
# A pattern is stored if its field is above $0.2$ or below $-2$; weights are $\pm1,\pm3$. First the derivation, with its checks:

# %%
checks = rp.derive(noisy).check()
print(f"{sum(check.passed for check in checks)} of {len(checks)} steps of its derivation agree with their checks")

# %% [markdown]
# ## Questions
# Everything that can be asked of a perceptron can be asked of this one.

# %%
capacity = rp.capacity(noisy)
instability = rp.at_line(noisy)
print(capacity)
print(instability)

# %%
curve = rp.solve(noisy, alpha=np.linspace(0.05, 1.1, 43) * capacity.value)
axes = curve.plot(y="entropy")

# %% [markdown]
# ## What it means for a single instance
# The distribution of the fields of a typical solution has the gap that the likelihood leaves.

# %%
point = rp.solve(noisy, alpha=0.8 * capacity.value)
below, gap, above = np.linspace(-16, -2 - 1e-9, 1401), np.linspace(-1.99, 0.19, 50), np.linspace(0.2 + 1e-9, 16, 1401)
mass = sum(np.trapezoid(rp.field_distribution(point, fields).density, fields) for fields in (below, above))
inside = rp.field_distribution(point, gap).density.max()
print(f"q = {point.q:.6f}, Q = {point.Q:.6f}; density inside the gap {inside:.1e}, integral outside {mass:.3f}")

# %% [markdown]
# ## A family of them
# Likelihoods are data, and a loop over one of their parameters is a family of models. Here a *soft* threshold,
# $\Theta(u)=(1-\varepsilon)\,\theta(u)+\varepsilon\,\theta(-u)$: labels that are wrong with probability $\varepsilon$ cost, but do not forbid.

# %%
for mistakes in (sp.Rational(1, 20), sp.Rational(1, 5), sp.Rational(2, 5)):
    soft = rp.Perceptron("spherical", likelihood=rp.Likelihood((1 - mistakes) * sp.Heaviside(u) + mistakes * sp.Heaviside(-u)))
    saddle = rp.solve(soft, alpha=1.0)
    print(f"eps = {float(mistakes):.2f}: q = {saddle.q:.8f}, free entropy {saddle.free_entropy:+.8f}, stable: {saddle.stable}")

# %% [markdown]
# At $\varepsilon=1/2$ the patterns say nothing: $q\to0$ and the free entropy tends to $-\alpha\log2$.
