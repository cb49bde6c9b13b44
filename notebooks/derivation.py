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
# # From the partition function to a number
#
# The replica-symmetric theory of the binary perceptron, derived step by step. Nothing here was typed in as a formula: the model is its
# partition function, every step is a rewriting by a stated rule, and every step is checked by numbers that know nothing of the rule.

# %%
import numpy as np
from scipy.integrate import quad
from scipy.optimize import fsolve
from scipy.special import log_ndtr

import replicas as rp

model = rp.Perceptron(weights="binary", kappa=0.0)
model  # noqa: B018 - a notebook shows the definition of Z

# %% [markdown]
# ## The steps
# A derivation is a numbered list; printing it gives plain text, and in a notebook it is shown with its mathematics.

# %%
derivation = rp.derive(model)
for step in derivation.steps:
    print(f"{step.number:3}. {step.title}")

# %% [markdown]
# One of them: what is claimed, the expression it leads to, why it follows, and what it is checked by.

# %%
limit = next(step for step in derivation.steps if step.title.startswith("The limit"))
limit  # noqa: B018

# %% [markdown]
# ## The checks run
# Each compares the step with an independent number: explicit replicas at integer $n$, quadratures of definitions, finite differences.

# %%
checks = derivation.check()
for check in checks[:6]:
    print(f"{check.number:3}. {check.title:32} difference {check.error:.1e}, tolerance {check.tolerance:.1e}")
print(f"... {sum(check.passed for check in checks)} of {len(checks)} agree")

# %% [markdown]
# A wrong step is caught: here a sign is turned in the free entropy.

# %%
wrong = derivation.with_step(len(checks) // 2, -derivation.steps[len(checks) // 2 - 1].expression)
caught = [check for check in wrong.check() if not check.passed]
print(f"{len(caught)} check fails: step {caught[0].number}, {caught[0].title}, difference {caught[0].error:.2g}")

# %% [markdown]
# ## The functional
# What the derivation arrives at can be evaluated anywhere, not only at its saddle point, and differentiated by the same rules.

# %%
phi = derivation.free_entropy
phi  # noqa: B018

# %%
here = {"q": 0.5, "qhat": 1.5, "alpha": 0.6, "kappa": 0.0}
h = 1e-5
slope = phi.grad()[next(u for u in phi.grad() if str(u) == "q")]
difference = (phi(**(here | {"q": 0.5 + h})) - phi(**(here | {"q": 0.5 - h}))) / (2 * h)
print(f"phi = {phi(**here):.12f}")
print(f"d phi/d q by finite differences {difference:.9f}")
slope  # noqa: B018

# %% [markdown]
# ## The saddle point
# The solver evaluates exactly this expression. Beside it the same two equations by hand, with SciPy's quadrature:
# $$q=\int\!Dz\,\tanh^2(\sqrt{\hat q}z),\qquad \hat q=\frac{\alpha}{1-q}\int\!Dt\,A^2\!\left(-\sqrt{\tfrac{q}{1-q}}\,t\right).$$

# %%
point = rp.solve(model, alpha=0.6)


def gauss(f):
    return quad(lambda t: np.exp(-t * t / 2) / np.sqrt(2 * np.pi) * f(t), -12, 12, epsabs=1e-13, limit=200)[0]


def inverse_mills(x):
    return np.exp(-x * x / 2 - log_ndtr(-x)) / np.sqrt(2 * np.pi)


def equations(x):
    q, q_hat = x
    overlap = gauss(lambda z: np.tanh(np.sqrt(q_hat) * z) ** 2)
    conjugate = 0.6 / (1 - q) * gauss(lambda t: inverse_mills(-np.sqrt(q / (1 - q)) * t) ** 2)
    return overlap - q, conjugate - q_hat


by_hand = fsolve(equations, (0.4, 1.0), xtol=1e-13)
print(f"q      {point.q:.14f} ± {point.errors['q']:.0e}    by hand {by_hand[0]:.14f}")
print(f"q_hat  {point.q_hat:.14f} ± {point.errors['q_hat']:.0e}    by hand {by_hand[1]:.14f}")

# %% [markdown]
# ## The number
# Solutions end where their entropy vanishes. The estimate says what it is, and what it is not.

# %%
capacity = rp.capacity(model)
print(capacity)
print(capacity.statement)
