"""The symbols of the field, shared by every derivation."""

import sympy as sp

alpha = sp.Symbol("alpha", positive=True)
kappa = sp.Symbol("kappa", real=True)
beta = sp.Symbol("beta", positive=True)
q = sp.Symbol("q", positive=True)
q_hat = sp.Symbol("qhat", positive=True)
lam = sp.Symbol("lambda", real=True)
Q = sp.Symbol("Q", positive=True)
V = sp.Symbol("V", positive=True)
n = sp.Symbol("n", positive=True)
s = sp.Symbol("s", positive=True)
omega = sp.Symbol("omega", real=True)
h = sp.Symbol("h", real=True)
z = sp.Symbol("z", real=True)
t = sp.Symbol("t", real=True)
u = sp.Symbol("u", real=True)



# fully connected units: entries off the diagonal of matrices over the units
q_c = sp.Symbol("q_c", real=True)
q_hat_c = sp.Symbol("qhat_c", real=True)
lam_c = sp.Symbol("lambda_c", real=True)


# a reference configuration (its own replica-symmetric order parameters) and the weights constrained around it
q_ref = sp.Symbol("qref", positive=True)
q_hat_ref = sp.Symbol("qhatref", positive=True)
lam_ref = sp.Symbol("lambdaref", real=True)
q_star = sp.Symbol("qstar", positive=True)
kappa_ref = sp.Symbol("kapparef", real=True)
beta_ref = sp.Symbol("betaref", positive=True)
overlap_ref = sp.Symbol("p", real=True)
p_hat = sp.Symbol("phat", real=True)
overlap_cross = sp.Symbol("t", real=True)
t_hat = sp.Symbol("that", real=True)
distance = sp.Symbol("d", real=True)
D = sp.Symbol("D", real=True)


def fields(K: int) -> tuple[sp.Symbol, ...]:
    """omega for one field, omega_1, ..., omega_K for several."""
    return (omega,) if K == 1 else sp.symbols(f"omega1:{K + 1}", real=True)


def normals(K: int) -> tuple[sp.Symbol, ...]:
    """t for one normal, t_1, ..., t_K for several."""
    return (t,) if K == 1 else sp.symbols(f"t1:{K + 1}", real=True)


def weight_fields(K: int) -> tuple[sp.Symbol, ...]:
    """h_1, ..., h_K: the fields of the weights that one input has in the units of a fully connected machine."""
    return (h,) if K == 1 else sp.symbols(f"h1:{K + 1}", real=True)


def weight_normals(K: int) -> tuple[sp.Symbol, ...]:
    """z_1, ..., z_K for several normals of the weights."""
    return (z,) if K == 1 else sp.symbols(f"z1:{K + 1}", real=True)


LATEX_NAMES = {
    **{q_hat: r"\hat q", lam: r"\lambda", q_hat_c: r"\hat q_c", lam_c: r"\lambda_c", q_c: "q_c"},
    **{q_ref: r"\tilde q", q_hat_ref: r"\hat{\tilde q}", lam_ref: r"\tilde\lambda", q_star: "q_*"},
    **{kappa_ref: r"\tilde\kappa", beta_ref: r"\tilde\beta", p_hat: r"\hat p", t_hat: r"\hat t"},
}
