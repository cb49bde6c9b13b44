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
# # Capacities to fifty digits, and proofs
#
# The equations that the double-precision solver evaluates are also evaluated in arbitrary precision, and in ball arithmetic: a ball that
# *provably* holds the exact solution. A number is followed by a bound on its error, never by digits that are not there.

# %%
import mpmath

import replicas as rp

binary, spherical = rp.Perceptron("binary"), rp.Perceptron("spherical")
capacity = rp.capacity(binary, digits=50)
print(capacity)

# %% [markdown]
# ## Closed forms, as a control
# The capacity of the sphere at $\kappa=0$ is $2$; the limit $q\to1$ of binary weights is $4/\pi$, which is not their capacity.

# %%
two = rp.capacity(spherical, digits=50)
naive = rp.capacity(binary, criterion="q-to-1", digits=50)
with mpmath.workdps(60):
    print(f"sphere: difference from 2    {mpmath.nstr(abs(mpmath.mpf(str(two.value)) - 2), 3)}")
    print(f"binary: difference from 4/pi {mpmath.nstr(abs(mpmath.mpf(str(naive.value)) - 4 / mpmath.pi), 3)}")

# %% [markdown]
# Gardner's integral $\alpha_c(\kappa)^{-1}=\int_{-\kappa}^\infty\!Dt\,(t+\kappa)^2$ has a closed form too, evaluated here by mpmath alone.

# %%
margins = [-0.5, 0.5, 1.5]
found = rp.capacity(spherical, kappa=margins, digits=50)
with mpmath.workdps(70):
    for kappa, value, stable in zip(margins, found.value, found.stable):
        k = mpmath.mpf(kappa)
        density = mpmath.exp(-k * k / 2) / mpmath.sqrt(2 * mpmath.pi)
        gardner = 1 / ((1 + k * k) * mpmath.ncdf(k) + k * density)
        print(f"kappa = {kappa:4}: {mpmath.nstr(value, 50)}  differs by {mpmath.nstr(abs(value - gardner), 2)}  RS stable: {stable}")

# %% [markdown]
# ## Two precisions agree
# A number to 60 digits is not the number to 50 digits with ten more guessed: both are computed, and the first fifty are the same.

# %%
longer = rp.capacity(binary, digits=60)
print(str(longer.value)[:52] == str(capacity.value)[:52], longer.value)

# %% [markdown]
# ## A proof
# `certified=True` encloses tails, truncation and the existence of the root. The statement says what is proved, and under which conditions
# it is the threshold of a random instance.

# %%
proved = rp.capacity(binary, digits=30, certified=True)
print(proved.value, "±", proved.error)
print(proved.statement)

# %% [markdown]
# ## The constants of the field
# Each with its defining equation; `replicas constants --digits 50 --certified` prints them all.

# %%
constants = rp.constants(30, names=["capacity-binary", "alpha_it-binary", "spinodal-binary"])
print(constants)
