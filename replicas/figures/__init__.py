"""Figures of the theory: one module a subject, drawn with `drawing`; `replicas.plotting` has them by name."""
