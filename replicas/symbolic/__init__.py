"""The symbolic layer: tower nodes and their rules, leaves of a model, derivations and their printers."""
