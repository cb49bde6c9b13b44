"""The numerical layer: kernels, compiled evaluation of derived functionals, saddle points, continuation."""
