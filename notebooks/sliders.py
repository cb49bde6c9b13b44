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
# # Sliders
#
# The theory is fast enough to be moved by hand: 70 saddle points take a few milliseconds. Run this notebook to move the sliders
# (extra: `notebooks`, which brings ipywidgets).

# %%
import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np

import replicas as rp

binary, sphere = rp.Perceptron("binary"), rp.Perceptron("spherical")
LOADS = np.linspace(0.01, 1.4, 70)

# %% [markdown]
# ## Entropy and overlap of the binary perceptron against the margin
# The dashed part has a negative entropy: there are no solutions left, although the saddle point still exists.


# %%
def entropy_at(kappa):
    """Entropy and overlap along the load at one margin."""
    curve, capacity = rp.solve(binary, LOADS, kappa=kappa), rp.capacity(binary, kappa=kappa)
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.8), layout="constrained")
    curve.plot(y="entropy", ax=left)
    curve.plot(y="q", ax=right)
    for axes in (left, right):
        axes.axvline(capacity.value, color="0.6", linewidth=0.8, linestyle=":")
        axes.set_xlim(0, LOADS[-1])
    left.set_title(rf"$\alpha_c({kappa:g}) = {capacity.value:.6f}$", loc="left")
    return capacity.value


margin = widgets.FloatSlider(value=0.0, min=-0.4, max=1.0, step=0.05, description="kappa")
entropies = widgets.interactive(entropy_at, kappa=margin)
entropies  # noqa: B018

# %% [markdown]
# ## Where am I in the plane of margin and load?
# The diagram is traced once; each move of a slider asks for the phase of one point, and for its saddle.

# %%
plane = rp.phase_diagram(sphere, between=(-1.0, 1.0), tolerance=0.01)


def where(kappa, load):
    """The phase diagram with one point on it."""
    alpha = 10.0**load
    point = rp.solve(sphere, alpha, kappa=kappa)
    axes = plane.plot()
    axes.plot(kappa, alpha, "o", color="black", markersize=6)
    q = "no RS saddle" if point.q is None or not np.isfinite(point.q) else f"q = {point.q:.4f}, RS {'stable' if point.stable else 'unstable'}"
    axes.set_title(f"{plane.region(kappa, alpha)}: {q}", loc="left")
    return plane.region(kappa, alpha)


here = widgets.interactive(
    where,
    kappa=widgets.FloatSlider(value=-0.5, min=-1.0, max=1.0, step=0.05, description="kappa"),
    load=widgets.FloatSlider(value=0.6, min=-0.5, max=1.2, step=0.02, description="log10 alpha"),
)
here  # noqa: B018

# %% [markdown]
# ## How many units?
# The capacity of tree committees against the number of units, in the replica-symmetric and the one-step ansatz, precomputed by a sweep.

# %%
machines = rp.sweep("capacity", {"ansatz": ["rs", "1rsb"], "K": [1, 3, 5]}, model=rp.TreeCommittee(3, "spherical"))


def capacities(K):
    """Capacity per weight of a tree committee of K units."""
    at = machines.dims["K"].index(K)
    print(f"K = {K}: RS {machines['value'][0, at]:.8f}, 1RSB {machines['value'][1, at]:.8f}")
    return machines["value"][:, at]


units = widgets.interactive(capacities, K=widgets.SelectionSlider(options=[1, 3, 5], value=3, description="K"))
units  # noqa: B018
