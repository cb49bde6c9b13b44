"""Markov chains that sample solutions, every one with autocorrelation times, effective sample sizes and a verdict on equilibrium.

    sample_sphere       uniform solutions of a spherical perceptron: Hamiltonian Monte Carlo with reflections
    spherical_volume    their volume, by thermodynamic integration
    sample_stochastic   mean weights of the stochastic perceptron at fixed q*: Metropolis
    sample_binary       uniform solutions of a binary perceptron and their number: parallel tempering

Records are seeded by (seed, sampler, size, chain) and do not depend on interruptions or on what else runs.
"""

from .autocorrelation import Observable, autocovariance, integrated_time, observe, split_r_hat
from .binary import BinarySampling, sample_binary
from .chains import Sampling
from .reflections import sample_sphere
from .stochastic import sample_stochastic
from .volume import SphericalVolume, spherical_volume

__all__ = [
    "BinarySampling",
    "Observable",
    "Sampling",
    "SphericalVolume",
    "autocovariance",
    "integrated_time",
    "observe",
    "sample_binary",
    "sample_sphere",
    "sample_stochastic",
    "spherical_volume",
    "split_r_hat",
]
