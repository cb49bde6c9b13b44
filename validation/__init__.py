"""Confrontation of the theory with finite N: one file an experiment, each a prediction, a simulation and a
verdict.

Run from the checkout: `python -m validation --quick`. Not installed with the package.
"""
