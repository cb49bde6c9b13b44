"""How results of simulations are shown, written and drawn: what they have in common, and share with those of the theory."""
