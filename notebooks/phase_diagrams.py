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
# # Phase diagrams
#
# A phase diagram is lines traced to a tolerance, and names for what lies between them. It is data before it is a picture: each point of a
# line carries the error of its computation, and any point of the plane can be asked for its phase.

# %%
import numpy as np

import replicas as rp

binary = rp.phase_diagram(rp.Perceptron("binary"))
axes = binary.plot()
for label, meaning in binary.meanings.items():
    print(f"{label}: {meaning}")

# %% [markdown]
# The phase of a point, and what a computation at that point says: below the line solutions have a positive entropy.

# %%
for kappa, alpha in ((0.0, 0.7), (0.0, 0.9), (0.5, 0.4)):
    point = rp.solve(rp.Perceptron("binary", kappa=kappa), alpha)
    print(f"kappa = {kappa}, alpha = {alpha}: {binary.region(kappa, alpha):10}  entropy {point.entropy:+.6f} ({point.status})")

# %% [markdown]
# ## Learning a rule
# A binary student of a binary teacher has phases along the load: the teacher cannot be found, can be found but not by local algorithms,
# can be found.

# %%
rule = rp.phase_diagram(rp.Perceptron("binary", task="teacher-student"))
axes = rule.plot()
print([rule.region(alpha) for alpha in (1.0, 1.4, 1.6)])

# %% [markdown]
# ## Your own map: a sweep
# Anything that can be asked can be asked on a grid. `executor=2` uses two processes, `store="overlap.db"` keeps every point so that an
# interrupted sweep goes on where it was.

# %%
grid = {"kappa": np.linspace(-0.5, 1.0, 61), "alpha": np.linspace(0.02, 1.2, 60)}
overlaps = rp.sweep("solve", grid, model=rp.Perceptron("binary"))
overlaps  # noqa: B018 - a notebook shows the sweep

# %% [markdown]
# Points without a solution, and solutions of negative entropy, are not drawn: the edge of the map is the capacity of the diagram above.

# %%
axes = overlaps.plot("q")
capacity = binary.boundary("capacity")
line = capacity.at(grid["kappa"])
axes.plot(line, grid["kappa"], color="white")
axes.set_xlim(0, 1.2)
answered = overlaps["status"] == "converged"
edge = np.array([grid["alpha"][row].max() for row in answered])
step = grid["alpha"][1] - grid["alpha"][0]
print(f"the edge lies within a step of the line: {bool(np.all(np.abs(edge - np.minimum(line, 1.2)) < step))}")

# %% [markdown]
# ## Taking it elsewhere
# As an `xarray.Dataset` with its errors, as NetCDF or CSV; a diagram is saved as SVG or PDF with `binary.save("binary.pdf")`.

# %%
print(overlaps.to_csv().splitlines()[0])
print(len(overlaps.to_csv().splitlines()) - 1, "rows;", overlaps.counts)
